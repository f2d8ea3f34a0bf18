"""Runs a corpus through the readers in child processes, and says what became of each input."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.core.hostile.entry import Corpus, Entry

ROOT = Path(__file__).parents[3]
MEMORY_BYTES = 1 << 30
CPU_SECONDS = 20.0


@dataclass(frozen=True)
class Verdict:
    """`outcome` is read, refused or harmful; `found` is what was read."""

    outcome: str
    detail: str
    found: Any = None
    bytes: int = 0


def run(corpus: Corpus, kind: str, folder: Path) -> dict[str, Verdict]:
    """The verdict on each input by its name. An input that ends the child is harmful; the next gets a new child."""
    left = list(corpus.entries)
    verdicts: dict[str, Verdict] = {}
    (folder / "in").mkdir()
    (folder / "out").mkdir()
    inputs = {entry.name: _input(entry, kind, folder, number) for number, entry in enumerate(left)}
    before = snapshot(folder / "in")
    while left:
        told, problem = _child([inputs[entry.name] for entry in left], folder)
        verdicts |= told
        left = [entry for entry in left if entry.name not in verdicts]
        if left:
            verdicts[left[0].name] = Verdict("harmful", problem)
            del left[0]
    assert snapshot(folder / "in") == before, "a reader changed its inputs"
    return verdicts


def snapshot(folder: Path) -> list[tuple[str, int, int]]:
    """Every file and folder with its size and time of change."""
    return sorted(
        (str(path), path.lstat().st_size if path.is_file() else 0, path.lstat().st_mtime_ns)
        for path in folder.rglob("*")
    )


def tally(verdicts: dict[str, Verdict]) -> str:
    """How many inputs were tried, refused, read, and did harm."""
    outcomes = [one.outcome for one in verdicts.values()]
    counts = ", ".join(f"{outcomes.count(kind)} {kind}" for kind in ("refused", "read", "harmful"))
    return f"{len(outcomes)} tried: {counts}"


def _input(entry: Entry, kind: str, folder: Path, number: int) -> dict[str, Any]:
    place = folder / "in" / f"{number:03}"
    place.mkdir()
    path = entry.make(place)
    out = folder / "out" / f"{number:03}"
    return {"name": entry.name, "kind": kind, "path": str(path), "out": str(out), "spec": dict(entry.spec)}


def _child(inputs: Sequence[dict[str, Any]], folder: Path) -> tuple[dict[str, Verdict], str]:
    """The verdicts that a child told before it ended, and how it ended."""
    program = [sys.executable, str(Path(__file__).with_name("reader.py")), str(MEMORY_BYTES), str(CPU_SECONDS)]
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "OMP_NUM_THREADS": "1",
        "MALLOC_ARENA_MAX": "2",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    lines = "".join(f"{json.dumps(one)}\n" for one in inputs)
    done = subprocess.run(
        program, input=lines, capture_output=True, text=True, cwd=folder, env=environment, timeout=280, check=False
    )
    told = [json.loads(line) for line in done.stdout.splitlines()]
    ended = signal.Signals(-done.returncode).name if done.returncode < 0 else f"status {done.returncode}"
    verdicts = {one.pop("name"): Verdict(**one) for one in told}
    return verdicts, f"the process ended by {ended}: {done.stderr[-2000:]}"
