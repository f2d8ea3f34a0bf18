"""What benchmarks/phases.py makes of an engine's events."""

import json

import pytest

from benchmarks.phases import Phases


def test_phases_end_where_the_next_begins_and_the_last_with_the_result() -> None:
    events = [
        {"event": "phase", "phase": "preparing", "at": "1970-01-01T00:00:12+00:00"},
        {"event": "log", "message": "m", "at": "1970-01-01T00:00:13+00:00"},
        {"event": "phase", "phase": "training", "at": "1970-01-01T00:00:15+00:00"},
        {"event": "phase", "phase": "evaluating", "at": "1970-01-01T00:01:45+00:00"},
        {"event": "phase", "phase": "exporting", "at": "1970-01-01T00:01:48+00:00"},
        {"event": "result", "at": "1970-01-01T00:01:52.500000+00:00"},
    ]
    phases = Phases.read([json.dumps(event) for event in events], given_at=10.0)
    assert phases.seconds == {"preparing": 5.0, "training": 90.0, "evaluating": 3.0, "exporting": 4.5}
    assert phases.share == pytest.approx(7.5 / 102.5)
