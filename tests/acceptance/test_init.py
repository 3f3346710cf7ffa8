"""What ``tako init`` writes runs as it stands, from the first release to a repository that subscribed to it."""

from __future__ import annotations

import re
import subprocess

from tests.acceptance.conftest import World


def test_the_first_file_releases_and_is_heard(world: World) -> None:
    directory = world.working("lib", "", {"README": "hello\n"})
    (directory / "tako.yml").unlink()
    subprocess.run(["git", "-C", directory, "remote", "add", "origin", "git@example.org:my-org/lib.git"], check=True)
    assert world.tako("init", cwd=directory).code == 0
    text = (directory / "tako.yml").read_text()
    head, marked = text.split("# subscriptions:")
    subscribed = head + "subscriptions:" + re.sub(r"^# ", "", marked, flags=re.MULTILINE)
    subscriber = subscribed.replace("my-org/other-repo:lib", "my-org/lib:lib").replace(
        "name: my-org/lib", "name: my-org/app"
    )
    world.cached("my-org/app", subscriber)
    ran = world.tako("exec", "release", "-i", "version=1.2.3", "--json", cwd=directory)
    assert ran.code == 0, ran.text
    (child,) = ran.json()["runs"]
    assert (child["repository"], child["workflow"], child["status"]) == ("my-org/app", "test", "success")
    app = world.working("app", subscriber)
    installed = world.tako("artifacts", "install", str(directory), cwd=app)
    assert installed.code == 0, installed.text
    assert (app / "vendor/lib/README").read_text() == "hello\n"
    refused = world.tako("exec", "release", "-i", "version=1.2", cwd=directory)
    assert refused.code == 1
    assert "does not match the pattern" in refused.text
