"""Settings: what environment and files ask for, and who wins."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tako.effective import settings_from
from tako.errors import ConfigError, UsageError
from tako.execution.retention import Retention
from tako.settings import KEYS, Chosen, choose, files_for, parse_age

ROOT = Path(__file__).parents[1]
DAY = 86_400.0

SAID: Mapping[str, tuple[str, Any]] = {
    "max_concurrent_repos": ("3", 3),
    "log_limit": ("2Mi", 2 * 1024**2),
    "max_crashes": ("7", 7),
    "strict": ("true", True),
    "idempotency_retention": ("2d", 2 * DAY),
    "cache_limit": ("2Gi", 2 * 1024**3),
    "retention.older_than": ("2d", 2 * DAY),
    "retention.keep_failed": ("true", True),
    "retention.automatic": ("true", True),
}
"""Each setting as it is written, and what it means; nowhere its default."""


def value_of(chosen: Chosen, name: str) -> Any:
    owner, _, field = name.rpartition(".")
    return getattr(getattr(chosen, owner) if owner else chosen, field)


def write(path: Path, text: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return str(path)


def written(name: str, text: str) -> str:
    owner, _, field = name.rpartition(".")
    return f"{owner}:\n  {field}: {text}\n" if owner else f"{field}: {text}\n"


def problems(path: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        choose({}, [path])
    assert caught.value.where == path
    return [problem.removeprefix(path) for problem in caught.value.problems]


def test_nothing_is_asked_for_where_nobody_does(tmp_path: Path) -> None:
    assert choose({}, [str(tmp_path / "none.yml")]) == Chosen()
    assert Chosen().retention == Retention(older_than=7 * DAY, keep_failed=False, automatic=False)


def test_every_setting_is_here() -> None:
    assert set(SAID) == {key.name for key in KEYS}


@pytest.mark.parametrize("name", SAID)
def test_a_file_says_a_setting(tmp_path: Path, name: str) -> None:
    text, value = SAID[name]

    assert value_of(choose({}, [write(tmp_path / "c.yml", written(name, text))]), name) == value
    assert value_of(Chosen(), name) != value


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.name)
def test_a_variable_says_the_same(key: Any) -> None:
    text, value = SAID[key.name]

    assert value_of(choose({key.variable: text}, []), key.name) == value
    assert choose({key.variable: ""}, []) == Chosen()


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.name)
def test_the_page_says_each_setting_and_its_variable(key: Any) -> None:
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")

    assert f"`{key.name}`" in page
    assert f"`{key.variable}`" in page


@given(layers=st.lists(st.none() | st.integers(1, 100), min_size=4, max_size=4))
def test_a_flag_wins_then_the_environment_then_the_project_then_the_user(
    tmp_path_factory: pytest.TempPathFactory, layers: list[int | None]
) -> None:
    directory = tmp_path_factory.mktemp("layers")
    flag, variable, project, user = layers
    (directory / "work" / ".git").mkdir(parents=True)
    environment = {"TAKO_HOME": str(directory / "home")}
    if variable is not None:
        environment["TAKO_MAX_CONCURRENT_REPOS"] = str(variable)
    if project is not None:
        write(directory / "work/.tako/config.yml", f"max_concurrent_repos: {project}\n")
    if user is not None:
        write(directory / "home/config.yml", f"max_concurrent_repos: {user}\n")

    settings = settings_from(environment, cap=flag, working_in=str(directory / "work"))

    said = [layer for layer in layers if layer is not None]
    assert settings.cap == (said[0] if said else settings_from({}).cap)


def test_a_flag_can_switch_off_what_a_file_switched_on(tmp_path: Path) -> None:
    write(tmp_path / "config.yml", "strict: true\n")
    environment = {"TAKO_HOME": str(tmp_path)}

    assert settings_from(environment, working_in=str(tmp_path)).strict
    assert not settings_from(environment, working_in=str(tmp_path), strict=False).strict
    assert not settings_from({**environment, "TAKO_STRICT": "no"}, working_in=str(tmp_path)).strict


def test_layers_of_one_group_are_laid_over_each_other_field_by_field(tmp_path: Path) -> None:
    project = write(tmp_path / "p.yml", "retention: {older_than: 1d}\n")
    user = write(tmp_path / "u.yml", "retention: {older_than: 2d, keep_failed: true}\n")

    assert choose({"TAKO_RETENTION_AUTOMATIC": "1"}, [project, user]).retention == Retention(DAY, True, True)


def test_what_children_must_know_is_in_their_environment(tmp_path: Path) -> None:
    write(tmp_path / "config.yml", "log_limit: 2Mi\nmax_crashes: 9\n")

    settings = settings_from({"TAKO_HOME": str(tmp_path)}, working_in=str(tmp_path), strict_env=["CI"])

    assert settings.environment["TAKO_LOG_LIMIT"] == str(2 * 1024**2)
    assert (settings.log_limit, settings.max_crashes) == (2 * 1024**2, 9)


def test_files_are_not_read_by_who_does_not_work_anywhere(tmp_path: Path) -> None:
    write(tmp_path / "config.yml", "nonsense: [")

    assert settings_from({"TAKO_HOME": str(tmp_path)}).home == str(tmp_path)


@pytest.mark.parametrize("text", ["", "\n", "# nothing yet\n\n  # strict: true\n", "strict:\n", "retention:\n", "{}"])
def test_a_file_may_say_nothing(tmp_path: Path, text: str) -> None:
    assert choose({}, [write(tmp_path / "c.yml", text)]) == Chosen()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("strikt: true", [":1:1: there is no setting 'strikt'; did you mean 'strict'?"]),
        ("\nretentoin: {}", [":2:1: there is no setting 'retentoin'; did you mean 'retention'?"]),
        (
            "retention:\n  oldr_than: 7d\n",
            [":2:3: there is no setting 'retention.oldr_than'; did you mean 'older_than'?"],
        ),
        ("retention: 7d", [":1:12: 'retention' must be a mapping"]),
        ("strict: maybe", [":1:9: strict: value 'maybe' is not true or false"]),
        ("strict: {a: b}", [':1:9: strict: value \'{"a": "b"}\' is not true or false']),
        ("max_crashes: 0", [":1:14: max_crashes: must be at least 1"]),
        ("max_crashes: 1.5", [":1:14: max_crashes: value '1.5' is not a whole number"]),
        ("max_crashes: 1_000", [":1:14: max_crashes: value '1_000' is not a whole number"]),
        ("log_limit: much", [":1:12: log_limit: must be a size like 512Mi, 1.5Gi or 64K"]),
        ("retention: {older_than: 7}", [":1:25: retention.older_than: must be an age with its unit, like 7d or 12h"]),
        ("strict: true\nstrict: false", [":2:1: "]),
        ("a: 1\nb: 2", [":1:1: there is no setting 'a'", ":2:1: there is no setting 'b'"]),
        ("strict: [", [":1:10: this is not YAML: "]),
        ("[]", [":1:1: the top of the file must be a mapping, like 'strict: true'"]),
        ("strict: true\n--- {}", [":2:1: a second YAML document starts here; settings are one document"]),
    ],
)
def test_what_cannot_be_is_told_with_its_place(tmp_path: Path, text: str, told: list[str]) -> None:
    found = problems(write(tmp_path / "c.yml", text))

    assert len(found) == len(told)
    for problem, start in zip(found, told, strict=True):
        assert problem.startswith(start)


def test_what_is_no_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "c.yml").mkdir()

    assert problems(str(tmp_path / "c.yml")) == [":1:1: this is a directory; settings are a file"]


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.name)
def test_a_variable_that_says_what_cannot_be_is_named_with_a_cure(key: Any) -> None:
    with pytest.raises(UsageError) as caught:
        choose({key.variable: "nonsense"}, [])

    assert caught.value.what.startswith(f"{key.variable}: ")
    assert caught.value.cure == f"write it as {key.variable}={key.example}"
    choose({key.variable: key.example}, [])


@pytest.mark.parametrize(
    ("text", "seconds"), [("7d", 7 * DAY), ("1h30m", 5400.0), ("0", 0.0), ("0d", 0.0), ("0.0h", 0.0)]
)
def test_an_age_has_a_unit_or_is_none(text: str, seconds: float) -> None:
    assert parse_age(text) == seconds


@pytest.mark.parametrize("text", ["", "7", "d", ".", "..", "0.0.", "-1d", "1d2d", "seven", "7w", 7, None, [], True])
def test_no_other_text_is_an_age(text: object) -> None:
    with pytest.raises(ValueError, match=r"must|is not"):
        parse_age(text)


def test_the_project_is_the_nearest_repository_above(tmp_path: Path) -> None:
    for path in ("outer/.git", "outer/inner/deep", "outer/plain/deep", "nowhere"):
        (tmp_path / path).mkdir(parents=True)
    (tmp_path / "outer/inner/tako.yml").touch()
    user = "/somewhere/config.yml"

    def project(directory: str) -> str | None:
        own, *rest = files_for("/somewhere", str(tmp_path / directory))
        assert rest in ([user], [])
        return os.path.relpath(own, tmp_path) if rest else None

    assert project("outer/inner/deep") == "outer/inner/.tako/config.yml"
    assert project("outer/plain/deep") == "outer/.tako/config.yml"
    assert project("outer") == "outer/.tako/config.yml"


def test_a_home_directory_in_git_has_its_file_once(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    home = tmp_path / ".tako"

    assert files_for(str(home), str(tmp_path)) == (str(home / "config.yml"),)


def test_no_file_costs_no_yaml(tmp_path: Path) -> None:
    code = "import sys; from tako.settings import choose; choose({}, ['none.yml']); print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)

    assert set(ran.stdout.split()).isdisjoint({"yaml", "tako.config.source", "tako.config.reading"})


def test_the_users_own_file_has_commands_for_secrets(tmp_path: Path) -> None:
    project = write(tmp_path / "work/.tako/config.yml", "strict: true\n")
    user = write(tmp_path / "home/config.yml", 'secrets:\n  A: {command: "pass show a"}\n  B: {command: exit 1}\n')
    assert choose({}, [project, user]).secret_commands == {"A": "pass show a", "B": "exit 1"}
    assert choose({}, [project, str(tmp_path / "missing")]).secret_commands == {}
    assert choose({}, []).secret_commands == {}


def test_a_projects_file_has_none_since_a_clone_must_not_run_commands(tmp_path: Path) -> None:
    project = write(tmp_path / "work/.tako/config.yml", "strict: true\nsecrets: {A: {command: touch ran}}\n")
    user = write(tmp_path / "home/config.yml", "strict: true\n")
    with pytest.raises(ConfigError) as caught:
        choose({}, [project, user])
    assert caught.value.problems == (
        f"{project}:2:1: 'secrets' runs commands: it can only be set in your own config.yml, in Tako's home",
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("secrets: [A]", ":1:10: 'secrets' must be a mapping, like GITHUB_TOKEN: {command: \"pass show gh\"}"),
        ("secrets: {A: pass show a}", ":1:14: secrets.A must be like GITHUB_TOKEN"),
        ("secrets: {A: {}}", ":1:14: secrets.A must be like GITHUB_TOKEN"),
        ("secrets: {A: {command: ''}}", ":1:14: secrets.A must be like GITHUB_TOKEN"),
        ("secrets: {A: {command: x, value: y}}", ":1:14: secrets.A must be like GITHUB_TOKEN"),
        ("secrets: {A-B: {command: x}}", ":1:11: the name of a secret must be letters, digits and '_'"),
        ("secret: {}", ":1:1: there is no setting 'secret'; did you mean 'secrets'?"),
    ],
)
def test_what_is_no_command_for_a_secret_is_told_at_its_place(tmp_path: Path, text: str, problem: str) -> None:
    (found,) = problems(write(tmp_path / "config.yml", text))
    assert found.startswith(problem)
