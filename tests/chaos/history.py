"""Checks what happened, by the events that were written and never changed, against what was promised."""

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from sqlalchemy import select

from store.database import Database
from store.tables import attempts, events, jobs
from tests.chaos.load import Promised

# What may follow what, written down again and not taken from the store.
LEGAL = {
    (None, "queued"), ("queued", "running"), ("queued", "cancelled"), ("queued", "paused"), ("running", "queued"),
    ("running", "cancelling"), ("running", "succeeded"), ("running", "failed"), ("running", "pausing"),
    ("pausing", "paused"), ("pausing", "succeeded"), ("pausing", "failed"), ("pausing", "cancelling"),
    ("paused", "cancelled"), ("paused", "queued"), ("cancelling", "cancelled"),
}  # fmt: skip
ENDINGS = {"succeeded", "failed", "cancelled"}
STEP = re.compile(r"(?:training from )?step (\d+) in process (\d+)")
REFUSED = "what it did does not count"  # a worker's log on a write that was refused


class History:
    """All jobs of a database with their events, as they stand when it is made."""

    def __init__(self, database: Database) -> None:
        with database.read() as session:
            self.jobs = session.execute(select(jobs).order_by(jobs.c.id)).all()
            told = session.execute(select(events).order_by(events.c.job_id, events.c.seq)).all()
            self.attempts = session.execute(select(attempts).order_by(attempts.c.job_id, attempts.c.number)).all()
        self.events: dict[str, list[Any]] = {job.id: [] for job in self.jobs}
        for event in told:
            self.events[event.job_id].append(event)

    def violations(self, promised: Promised) -> list[str]:
        """One sentence for each promise that was broken."""
        found = list(promised.broken)
        known = {job.id for job in self.jobs}
        found += [f"{job_id} was accepted and is lost" for job_id in set(promised.jobs.values()) - known]
        if len(self.jobs) > len(set(promised.jobs.values())):
            found.append(f"{len(self.jobs)} jobs of {len(promised.jobs)} idempotency keys")
        for job in self.jobs:
            found += [f"{job.id}: {what}" for what in self._of_job(job, job.id in promised.cancelled)]
        return found

    def _of_job(self, job: Any, was_cancelled: bool) -> list[str]:
        told = self.events[job.id]
        states = [event.data["state"] for event in told if event.kind == "state"]
        found = [f"{before} -> {after}" for before, after in pairwise([None, *states]) if (before, after) not in LEGAL]
        if [event.seq for event in told] != list(range(1, len(told) + 1)):
            found.append("its events have gaps")
        if job.state not in ENDINGS:
            found.append(f"it never ended: {job.state}")
        if job.state == "failed":
            found.append(f"it failed: {job.error}")
        if was_cancelled and job.state not in ("cancelled", "succeeded"):
            found.append(f"its cancel was accepted and it is {job.state}")
        if job.state == "succeeded" and job.result["metrics"]["state"] != chain(int(job.spec["labels"]["steps"])):
            found.append("its result is not that of an unbroken training")
        return found + stale_writes(told) + lost_steps(told)

    def counters(self, logs: str) -> Counter[str]:
        """How often what the campaign is there to test has happened."""
        numbers = {attempt.job_id: attempt.number for attempt in self.attempts}
        taken_over = [
            attempt
            for attempt in self.attempts
            if attempt.outcome == "lost" and attempt.number < numbers[attempt.job_id]
        ]
        starts = [step for told in self.events.values() for step in started_from(told)]
        return Counter(
            jobs=len(self.jobs),
            takeovers=len(taken_over),
            refusals=logs.count(REFUSED),
            resumes=sum(step > 0 for step in starts),
            cancelled=sum(job.state == "cancelled" for job in self.jobs),
        )


def chain(steps: int) -> str:
    """What the stand-in engine computes."""
    state = ""
    for step in range(1, steps + 1):
        state = hashlib.sha256(f"{state}{step}".encode()).hexdigest()
    return state


def traced(told: Sequence[Any]) -> list[tuple[int, str, bool]]:
    """(step, process, whether it is the first) of each log line of an engine, in the order in which they were taken."""
    matches = [STEP.match(event.data["message"]) for event in told if event.kind == "log"]
    return [(int(match[1]), match[2], match[0].startswith("training")) for match in matches if match]


def stale_writes(told: Sequence[Any]) -> list[str]:
    """Writes of an engine that were taken after those of its successor."""
    latest, gone, found = "", set(), []
    for step, process, _ in traced(told):
        if process in gone:
            found.append(f"step {step} of process {process} was taken after process {latest} had begun")
        elif process != latest:
            gone.add(latest)
            latest = process
    return found


def started_from(told: Sequence[Any]) -> list[int]:
    """The step that each engine began with."""
    return [step for step, _, is_first in traced(told) if is_first]


def lost_steps(told: Sequence[Any]) -> list[str]:
    """Engines that began before the last checkpoint that had been announced."""
    last, found = 0, []
    for event in told:
        if event.kind == "checkpoint":
            last = event.data["step"]
        elif event.kind == "log" and (match := STEP.match(event.data["message"])):
            step = int(match[1])
            if match[0].startswith("training") and step < last:
                found.append(f"an attempt began at step {step}, the last checkpoint was of step {last}")
    return found
