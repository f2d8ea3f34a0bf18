"""One training of the comparison as a job of the engine, and the file of those that are done."""

import hashlib
import json
import os
import threading
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

NUM_POINTS = 10  # of a curve: the checkpoints that every job keeps of its training
# So many that max_steps decides.
EPOCHS = 100_000
STUDENT_FILE = "file://{out}/model.safetensors"


@dataclass(frozen=True)
class Run:
    """A job in the vocabulary of core.spec. In its strings {data} stands for the folder of the data and {kept} for that
    of what earlier runs made, so that a run is the same on every machine; `job:<key>` is the student of a run.
    """

    spec: dict[str, Any]
    tests: dict[str, str] = field(default_factory=dict)
    """Name -> URI of a dataset: what `tested` is measured on besides, with the job's classes and fractions."""
    tested: dict[str, Any] = field(default_factory=lambda: {"weights": STUDENT_FILE})
    """A teacher as a job would name it; {out} stands for the folder of the artifacts."""
    after: tuple["Run", ...] = ()
    """Whose weights it begins with."""
    is_kept: bool = False
    """Whether its weights stay, for other runs."""

    @property
    def key(self) -> str:
        """16 hexadecimal digits that say what is computed: of the job and what is measured of it, not of its name."""
        content = {"spec": self.spec, "tests": self.tests, "tested": self.tested if self.tests else None}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def uri(self) -> str:
        """Its student, for a job that comes later."""
        return f"job:{self.key}"

    def file(self, name: str) -> str:
        """The URI of another of its weights files."""
        return f"file://{{kept}}/{self.key}/{name}"


@dataclass(frozen=True)
class Errand:
    """A run with its folders filled in, for the process that runs it."""

    spec: dict[str, Any]
    tests: dict[str, str]
    tested: dict[str, Any]
    kept: str
    """Folder with the artifacts of earlier runs, a folder each."""
    scratch: str
    """Folder for this run alone: no cache of an earlier run saves it time."""
    result: str
    started_at: float
    """time.time() when the process was started."""

    def to_json(self) -> str:
        """For the command line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Errand":
        """What `to_json` wrote."""
        return cls(**json.loads(text))


def training_of(seed: int, steps: int, **more: Any) -> dict[str, Any]:
    """What all jobs have in common; all else, the optimizer too, is left to the engine, as in a customer's job."""
    return {"seed": seed, "max_steps": steps, "epochs": EPOCHS, "keep_trajectory": NUM_POINTS, **more}


def located(value: Any, folders: dict[str, Path]) -> Any:
    """JSON with every {name} in its strings replaced by the folder of that name."""
    if isinstance(value, dict):
        return {key: located(each, folders) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [located(each, folders) for each in value]
    if isinstance(value, str):
        for name, folder in folders.items():
            value = value.replace(f"{{{name}}}", str(folder))
    return value


class Finished:
    """A file of JSON lines {"key", "spec", "outcome"}, one for each run that is done; threads may share it."""

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, threading.Lock()
        self._outcomes: dict[str, dict[str, Any]] = {}
        if path.exists():
            self._read(path.read_text(encoding="utf-8"))

    def get(self, run: Run) -> dict[str, Any] | None:
        """The outcome of a run of this content; None where there is none yet."""
        return self._outcomes.get(run.key)

    def add(self, run: Run, outcome: dict[str, Any]) -> None:
        """Write it down for good."""
        line = json.dumps({"key": run.key, "spec": run.spec, "outcome": outcome}) + "\n"
        with self._lock:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as file:
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
            self._outcomes[run.key] = outcome

    def _read(self, text: str) -> None:
        """A process that died while it wrote has left half a line, which is no finished run."""
        for line in text.splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            self._outcomes[entry["key"]] = entry["outcome"]
        if text and not text.endswith("\n"):
            with self._path.open("a", encoding="utf-8") as file:
                file.write("\n")
