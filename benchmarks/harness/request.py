"""What the parent tells a child to run, as one JSON argument."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.harness.inputs import Inputs
from benchmarks.harness.works import Work, find


class Unavailable(Exception):
    """A variant cannot run here; the message says why and what to do."""


@dataclass(frozen=True)
class Request:
    """One variant at one work. `checkout` is a peer's folder; `views` are those that a stored teacher pass keeps."""

    variant: str
    work_name: str
    root: str
    """Folder of the synthetic inputs, and of what the children printed."""
    scratch: str
    """Folder that children may write to: caches, logs, what peers save."""
    threads: int | None = None
    """None: what the variant takes by itself."""
    views: int = 1
    checkout: str | None = None

    @property
    def work(self) -> Work:
        """The work itself."""
        return find(self.work_name)

    @property
    def inputs(self) -> Inputs:
        """Where the images and teachers lie."""
        return Inputs(Path(self.root))

    def to_json(self) -> str:
        """For the child's command line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Request":
        """What `to_json` wrote."""
        return cls(**json.loads(text))
