"""What ``--dry-run --json`` prints: steps in the words of tako.yml, at every level."""

from __future__ import annotations

from tako.config.model import StepSpec
from tako.fanout.preview import FanOutPreview, RunPreview, StepPreview
from tako.report.preview import preview_data


def test_steps_are_told_in_the_words_of_the_language_however_deep() -> None:
    below = StepPreview(StepSpec(id="test", run="make", condition="true"), skipped=True)
    run = RunPreview(repo="a/b", workflow="verify", where="x:1", why="hears it", certain=True, steps=(below,))
    fan_out = FanOutPreview(
        event_type="built", artifact="default", payload={}, unknown=(), runs=(run,), passed_over=(), unreadable=()
    )
    tell = StepPreview(
        StepSpec(id="tell", uses="tako/fan-out@v1", params={"event_type": "built"}), fan_outs=(fan_out, fan_out)
    )

    (step,) = preview_data("c/d", "release", {}, [tell])["steps"]

    assert (step["id"], step["with"]) == ("tell", {"event_type": "built"})
    (inner,) = step["fan_out"]["runs"][0]["steps"]
    assert step["more_fan_outs"] == [step["fan_out"]]
    assert inner == {"id": "test", "run": "make", "if": "true", "skipped": True, "finally": False}
