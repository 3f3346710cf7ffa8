"""The language's own example, with everything that it has at once: it loads but for containers, and runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tako.config.loader import loads_thoroughly
from tako.errors import ConfigError
from tako.lint.linter import lint
from tests.acceptance.conftest import World

EXAMPLE = (Path(__file__).parents[1] / "fixtures" / "language" / "whole.yml").read_text(encoding="utf-8")
CONTAINERS = ("image", "network", "capabilities", "volumes", "security_profile", "resources", "cpu_limit", "disk_limit")
INTEGRATION = """\
  integration_test:
    inputs: {version: {required: true}}
    steps:
      - echo tested {{ inputs.version | shell_quote }}
"""
WHOLE = EXAMPLE.replace("subscriptions:\n", f"{INTEGRATION}subscriptions:\n")
CLIENT = """\
version: 1
workflows:
  test-ci:
    steps:
      - test -f "$TAKO_ARTIFACT_GO_LIB_PATH"
"""
BUILD = """\
#!/bin/sh
test "$1 $2" = "--bump minor" && test -n "$TOKEN" && test "$CGO_ENABLED" = 0 || exit 9
mkdir -p ../../dist && echo lib > ../../dist/lib-1.tar.gz
echo built >> "$BUILDS"
echo 1.2.3
"""


def without_containers(text: str) -> str:
    """The example without what stays refused, and without the dots that stand for a payload."""
    text = re.sub(r"^ +(?:image: .*|payload: {…}.*)\n", "", text, flags=re.MULTILINE)
    return re.sub(r"(?:cpu_limit: \"1.0\", |, disk_limit: 1Gi)", "", text)


def test_containers_alone_are_refused_each_by_its_name_and_place() -> None:
    with pytest.raises(ConfigError) as caught:
        loads_thoroughly(WHOLE.encode(), "tako.yml")
    refused = [
        re.match(r"'(\w+)' (?:of|in) .* is part of the language but not supported", fault.message)
        for fault in caught.value.faults
    ]
    assert [match[1] if match else "?" for match in refused] == ["image", "cpu_limit", "disk_limit", "image"]


@pytest.mark.parametrize("field", CONTAINERS)
def test_a_container_field_is_refused_wherever_it_may_stand(field: str) -> None:
    value = "{cpu_limit: '1'}" if field == "resources" else "x"
    where = (
        f"resources: {{{field}: '1'}}, steps: [ls]"
        if field.endswith("limit")
        else f"steps: [{{run: ls, {field}: {value}}}]"
    )
    with pytest.raises(ConfigError) as caught:
        loads_thoroughly(f"version: 1\nworkflows:\n  w: {{{where}}}\n".encode(), "tako.yml")
    (fault,) = caught.value.faults
    assert (fault.line, f"'{field}'" in fault.message, "not supported by this version" in fault.message) == (
        3,
        True,
        True,
    )


def test_the_rest_loads_and_has_no_fault_of_style(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "b.go").touch()
    data = without_containers(WHOLE).encode()
    config = loads_thoroughly(data, str(tmp_path / "tako.yml"))
    assert [one.rule for one in lint(data, config)] == []


def test_the_whole_example_runs(world: World) -> None:
    text = without_containers(WHOLE)
    files = {
        "sub/dir/scripts/build.sh": BUILD,
        "sub/dir/scripts/rollback.sh": "#!/bin/sh\n",
        "src/a/b.go": "package b\n",
    }
    directory = world.working("go-lib", text, files)
    (directory / "sub/dir/scripts/build.sh").chmod(0o755)
    world.cached("my-org/go-lib", text)
    world.cached("my-org/client-a", CLIENT)
    builds = world.root / "builds"
    world.env |= {"GITHUB_TOKEN": "what nobody may see", "GITHUB_SHA": "abc123", "BUILDS": str(builds)}
    ran = world.tako("exec", "release", "-i", "version-bump=minor", "--json", cwd=directory)
    assert ran.code == 0, ran.text
    result = ran.json()
    assert [step["status"] for step in result["steps"]] == ["success"] * 3
    children = {(run["repository"], run["workflow"]): run["status"] for run in result["runs"]}
    assert children == {("my-org/go-lib", "integration_test"): "success", ("my-org/client-a", "test-ci"): "success"}
    assert "what nobody may see" not in ran.text
    again = world.tako("exec", "release", "-i", "version-bump=minor", "--json", cwd=directory)
    assert again.code == 0, again.text
    assert builds.read_text() == "built\n"
    skipped = world.tako("exec", "release", "-i", "version-bump=none", cwd=directory)
    assert skipped.code == 1
    assert "not in allowed values" in skipped.text
