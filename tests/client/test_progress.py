"""What is shown of a running job, line by line."""

import json
from typing import Any

import pytest
from scripted import Answer, Request, Scripted

from retort import Retort, output, progress


def view(state: str, phase: str | None = None, **progress: Any) -> dict[str, Any]:
    done = state in ("succeeded", "failed", "cancelled")
    return {"id": "job_1", "state": state, "done": done, "phase": phase, "error": None, "progress": progress or None}


def as_json(value: Any, etag: str = '"1"') -> Answer:
    return Answer(200, json.dumps(value).encode(), {"Content-Type": "application/json", "ETag": etag})


def series(**values: Any) -> Answer:
    data = [{"name": name, "points": [[1, 0.1, "t"], [2, value, "t"]]} for name, value in values.items()]
    return as_json({"data": data})


def watched(server: Scripted, states: list[dict[str, Any]], curves: Answer, **options: Any) -> Any:
    """Watch a job that goes through `states`, with the same curves throughout; the views come first to last."""
    left = list(states)

    def answer(request: Request) -> Answer:
        if "/metrics" in request.path:
            return curves
        return as_json(left.pop(0) if len(left) > 1 else left[0], f'"{len(left)}"')

    server.script = [answer]
    return progress.watch(Retort(server.url).job("job_1"), **options)


def test_a_pipe_gets_a_line_for_each_phase_with_the_latest_values(
    server: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    states = [
        view("queued"),
        view("running", "preparing"),
        view("running", "training", fraction=0.25, run="student", epoch=1, epochs=4, eta_seconds=9.0),
        view("succeeded"),
    ]
    watched(server, states, series(**{"val/top1": 0.875}))
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[1] for line in lines] == ["queued", "running, preparing", "running, training", "succeeded"]
    assert lines[2].endswith("25.0%  student epoch 1/4  val/top1 0.875  9 s left")


def test_a_baseline_shows_its_own_values(server: Scripted, capsys: pytest.CaptureFixture[str]) -> None:
    training = view("running", "training", fraction=0.5, run="baseline/scratch", epoch=2, epochs=4)
    curves = series(**{"val/top1": 0.9, "baseline/scratch/val/top1": 0.6})
    watched(server, [training, view("succeeded")], curves)
    lines = capsys.readouterr().out.splitlines()
    assert "baseline/scratch epoch 2/4  val/top1 0.6" in lines[0]
    assert lines[1].endswith("succeeded  val/top1 0.9")


def test_machines_get_one_object_a_line_and_nothing_else(server: Scripted, capsys: pytest.CaptureFixture[str]) -> None:
    watched(server, [view("running"), view("succeeded")], series(**{"val/top1": 0.5}), as_json=True)
    shown = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["state"] for one in shown] == ["running", "succeeded"]
    assert shown[-1]["latest_metrics"] == {"val/top1": 0.5}


def test_a_value_that_is_not_finite_is_left_out(server: Scripted) -> None:
    server.script = [as_json(view("running")), series(**{"train/loss": None, "val/top1": 0.5})]
    assert progress.last_values(Retort(server.url).job("job_1")) == {"val/top1": 0.5}


def test_curves_that_cannot_be_read_do_not_end_the_watching(server: Scripted) -> None:
    server.script = [as_json(view("running")), Answer(500, b"")]
    assert progress.last_values(Retort(server.url).job("job_1")) == {}


@pytest.mark.parametrize("fraction", [None, 0.4])
def test_a_terminal_gets_a_bar(
    server: Scripted, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], fraction: float | None
) -> None:
    monkeypatch.setattr("retort.output.people", output.People(force_terminal=True, width=80))
    progress = {} if fraction is None else {"fraction": fraction, "run": "student", "epoch": 1, "epochs": 2}
    watched(server, [view("running", "training", **progress), view("succeeded")], series(**{"val/top1": 0.5}))
    drawn = capsys.readouterr().out
    assert "100%" in drawn
    assert "val/top1 0.5" in drawn
