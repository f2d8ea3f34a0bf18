"""Breaks a whole service again and again, and checks what it promised: `python -m tests.chaos.campaign`.

A campaign is a row of rounds, each with a service of its own and its own seed. Rounds that are written down in the
folder are not run again, so that a campaign that was interrupted goes on. It fails where a promise was broken, and
where a counter is zero: then it has tested nothing.
"""

import argparse
import contextlib
import json
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any, get_args

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from store import jobs
from store.tables import jobs as jobs_table
from tests.chaos.faults import DISTRIBUTED, EMBEDDED
from tests.chaos.history import ENDINGS, History
from tests.chaos.load import Load
from tests.chaos.mutants import MUTANTS
from tests.chaos.world import Mode, World

DRAIN_SECONDS = 90.0
START_SECONDS = 120.0
PAUSE_SECONDS = 4.0
RUNNING = (jobs_table.c.state == "running", jobs_table.c.checkpoint_step > 0)
MUST_HAPPEN = ("faults", "jobs", "takeovers", "refusals", "resumes")
FAULTS_PER_ROUND = 50


def run_round(folder: Path, mode: Mode, seed: int, num_faults: int, mutant: str = "") -> dict[str, Any]:
    """One service under so many faults: counters, faults by name, and the promises that were broken."""
    chance = random.Random(seed)
    faults = list(EMBEDDED if mode == "embedded" else DISTRIBUTED)
    injected: Counter[str] = Counter()
    with World(folder, mode, mutant) as world:
        load = Load(world, seed)
        load.start()
        _wait_for_work(world, load)
        for number in range(num_faults):
            _wait_for_checkpoint(world)
            if number % len(faults) == 0:
                chance.shuffle(faults)  # so that each comes as often as the others
            fault = faults[number % len(faults)]
            fault(world, chance)
            injected[fault.__name__] += 1
            time.sleep(chance.uniform(0.2, 0.8))
        load.ending.set()
        load.join(90)
        seconds = drain(world)
        history = History(world.database)
        counters = history.counters(world.logs()) + Counter(faults=injected.total())
        violations = history.violations(load.promised)
    counted = {name: counters[name] for name in (*MUST_HAPPEN, "cancelled")}
    return {"seed": seed, **counted, "drain_seconds": round(seconds, 1), "by_fault": injected, "violations": violations}


def _wait_for_work(world: World, load: Load) -> None:
    until = time.monotonic() + START_SECONDS
    while not world.engines() and time.monotonic() < until:
        time.sleep(0.2)


def _wait_for_checkpoint(world: World) -> None:
    """Until a job that runs has one, PAUSE_SECONDS at most: a fault before would leave nothing to go on from."""
    until = time.monotonic() + PAUSE_SECONDS
    while time.monotonic() < until:
        with contextlib.suppress(SQLAlchemyError), world.database.read() as session:
            if session.execute(select(jobs_table.c.id).where(*RUNNING)).first() is not None:
                return
        time.sleep(0.1)


def drain(world: World) -> float:
    """Wait until every job has ended, DRAIN_SECONDS at most; how long it took."""
    begun = time.monotonic()
    while time.monotonic() < begun + DRAIN_SECONDS:
        found = History(world.database).jobs
        with world.database.begin() as session:
            for job in found:
                if job.state == "paused":
                    jobs.request_resume(session, job.id)
        if all(job.state in ENDINGS for job in found):
            break
        time.sleep(0.5)
    return time.monotonic() - begun


def verdict(rounds: list[dict[str, Any]]) -> list[str]:
    """Why the campaign fails; empty where it does not."""
    broken = [violation for one in rounds for violation in one["violations"]]
    missing = [name for name in MUST_HAPPEN if not sum(one[name] for one in rounds)]
    return broken + [f"void: no {name}" for name in missing]


def main() -> int:
    """Run a campaign, print each round and the sums; 1 where a promise was broken or the campaign is void."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mode", choices=get_args(Mode), default="embedded")
    parser.add_argument("--faults", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--mutant", choices=tuple(MUTANTS), default="")
    parser.add_argument("--folder", type=Path, help="where rounds are written down; none: nowhere")
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = flags.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        record = folder / f"{flags.mode}-{flags.seed}-{flags.mutant or 'sound'}.jsonl"
        rounds = [json.loads(line) for line in record.read_text().splitlines()] if record.exists() else []
        while (left := flags.faults - sum(one["faults"] for one in rounds)) > 0 or not rounds:
            with tempfile.TemporaryDirectory(dir=folder) as place:
                num_faults = min(left, FAULTS_PER_ROUND)
                rounds.append(run_round(Path(place), flags.mode, flags.seed + len(rounds), num_faults, flags.mutant))
            with record.open("a") as log:
                log.write(f"{json.dumps(rounds[-1])}\n")
            print(json.dumps(rounds[-1]), flush=True)
    print({name: sum(one[name] for one in rounds) for name in (*MUST_HAPPEN, "cancelled")})
    for reason in verdict(rounds):
        print(reason)
    return 1 if verdict(rounds) else 0


if __name__ == "__main__":
    sys.exit(main())
