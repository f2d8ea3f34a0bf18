"""A cancel that meets the end of its job: one of the two wins, and what ended stays ended (promise P14)."""

import random
import threading
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from store import jobs, leases, queries, reaper
from store.errors import IllegalTransition
from tests.store.conftest import Bench

NUM_RACES = 100
# From a state, what may follow it in the history of a job that is never retried.
LEGAL = {
    "queued": {"running", "cancelled"},
    "running": {"cancelling", "succeeded", "failed", "pausing"},
    "pausing": {"cancelling", "paused", "succeeded", "failed"},
    "paused": {"cancelled"},
    "cancelling": {"cancelled"},
}


def at_once(*acts: Callable[[], Any]) -> None:
    """Call them in threads that start together; the last one is often the first to run."""
    start = threading.Barrier(len(acts))

    def run(act: Callable[[], Any]) -> None:
        start.wait()
        act()

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_cancel_races_the_end_of_a_job(bench: Bench) -> None:
    generator, won = random.Random(14), {"cancelled": 0, "succeeded": 0, "failed": 0, "refused": 0}
    for number in range(NUM_RACES):
        lease = bench.running()
        endings: list[Callable[[], Any]] = [
            lambda lease=lease: bench.do(leases.succeed, lease, {}),
            lambda lease=lease: bench.do(
                leases.fail, lease, {"code": "X", "category": "user", "message": "", "hint": ""}
            ),
        ]
        asked: list[str] = []

        def cancel(job_id: str = lease.job_id, asked: list[str] = asked) -> None:
            try:
                asked.append(bench.do(jobs.request_cancel, job_id).state)
            except IllegalTransition:
                asked.append("refused")

        others = [lambda lease=lease: bench.do(leases.beat, lease, 60.0), cancel]
        acts = [generator.choice(endings), *others]
        generator.shuffle(acts)
        at_once(*acts)
        state = bench.get(lease.job_id).state
        won[state] += 1
        won["refused"] += asked.count("refused")
        assert state == "cancelled" or set(asked) == {"refused"}, (number, state, asked)
        assert history(bench, lease.job_id)[-1] == state
        assert bench.do(leases.succeed, lease, {}) is False
        bench.do(reaper.reap, 3)
        assert bench.get(lease.job_id).state == state
    print(f"{NUM_RACES} races: {won}")
    assert won["cancelled"] and won["succeeded"] + won["failed"]


def history(bench: Bench, job_id: str) -> list[str]:
    """The states of a job, each of which may follow the one before."""
    events = bench.read(queries.events, job_id, after_seq=0, limit=100)
    states = [event.data["state"] for event in events if event.kind == "state"]
    for before, after in pairwise(states):
        assert after in LEGAL[before], states
    return states
