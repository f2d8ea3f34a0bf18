"""Reads hostile inputs with the real readers, in a process of its own under limits, and writes a verdict for each.

`python reader.py BYTES SECONDS < inputs`: every line of standard input is a JSON object {name, kind, path, out, spec}.
Every verdict is a line {name, outcome, detail, found, acts, bytes}. The memory that all readings may add is BYTES of
address space; an input that takes more than SECONDS of CPU time ends the process by SIGPROF.
"""

import json
import os
import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.data.dataset import open_dataset
from core.data.images import Unreadable, pixels_of, size_of
from core.errors import RetortError
from core.networks.weights.reading import read_weights
from core.policy import Policy
from core.spec import DatasetSpec
from core.system.workspace import Workspace

POLICY = Policy(num_threads=1)
# What a reader of files has no reason to do (audit events of CPython, docs.python.org/3/library/audit_events.html).
FORBIDDEN = (
    "subprocess.Popen",
    "os.system",
    "os.exec",
    "os.fork",
    "os.forkpty",
    "os.posix_spawn",
    "os.spawn",
    "socket.connect",
    "socket.bind",
    "socket.getaddrinfo",
    "pty.spawn",
    "webbrowser.open",
    "shutil.rmtree",
    "os.putenv",
    "os.kill",
    "os.chown",
    "os.symlink",
    "os.link",
)
CHANGES = ("os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.chmod", "os.truncate", "os.utime")
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Watch:
    """Notes what the process does that a reader has no reason to do."""

    def __init__(self) -> None:
        self.acts: list[str] = []
        self.allowed = Path("/nowhere")
        sys.addaudithook(self._heard)

    def _heard(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in FORBIDDEN:
            self.acts.append(f"{event} {arguments!r:.200}")
        elif event in CHANGES or (event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITES):
            paths = arguments[:2] if event == "os.rename" else arguments[:1]
            self.acts += [f"{event} {path!r:.200}" for path in paths if not self._is_allowed(path)]

    def _is_allowed(self, path: Any) -> bool:
        if isinstance(path, int) or str(path) == os.devnull:
            return True
        return Path(os.path.abspath(os.fsdecode(path))).is_relative_to(self.allowed)


def read_dataset(path: Path, out: Path, spec: dict[str, Any]) -> dict[str, int]:
    """Class -> images that can be decoded."""
    source = open_dataset(DatasetSpec(uri=path.as_uri(), **spec), Workspace(out, out / "cache", None, POLICY), seed=0)
    dataset = source.decode(8)
    counts: dict[str, int] = {}
    for by_class in dataset.facts.images_per_class.values():
        for label, count in by_class.items():
            counts[label] = counts.get(label, 0) + count
    return counts


def read_image(path: Path, out: Path, spec: dict[str, Any]) -> list[int]:
    """Height and width as displayed, and the color of the middle after it was resized to 8 x 8."""
    content = path.read_bytes()
    height, width = size_of(content, POLICY.max_image_pixels)
    pixels = pixels_of(content, 8, POLICY.max_image_pixels)
    return [height, width, *(int(value) for value in pixels[:, 4, 4])]


def read_tensors(path: Path, out: Path, spec: dict[str, Any]) -> dict[str, list[int]]:
    """Name -> shape."""
    return {name: list(tensor.shape) for name, tensor in read_weights(path, policy=POLICY)[0].items()}


READ: dict[str, Callable[[Path, Path, dict[str, Any]], Any]] = {
    "dataset": read_dataset,
    "image": read_image,
    "weights": read_tensors,
}


def verdict(given: dict[str, Any], watch: Watch) -> dict[str, Any]:
    """What became of one input."""
    watch.acts, watch.allowed = [], Path(given["out"])
    watch.allowed.mkdir(parents=True)
    found: Any = None
    try:
        found = READ[given["kind"]](Path(given["path"]), watch.allowed, given["spec"])
        outcome, detail = "read", ""
    except (RetortError, Unreadable) as error:
        is_ours = isinstance(error, Unreadable) or error.category == "user"
        outcome, detail = "refused" if is_ours else "harmful", f"{type(error).__name__}: {error}"
    except BaseException as error:
        outcome, detail = "harmful", f"{type(error).__name__}: {error}"
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text()
    if watch.acts or children:
        outcome, detail = "harmful", f"{watch.acts} {children}"
    return {"name": given["name"], "outcome": outcome, "detail": detail[:2000], "found": found, "bytes": peak_bytes()}


def address_space() -> int:
    """The bytes of addresses that this process has."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def peak_bytes() -> int:
    """The most memory that the process had at once (getrusage counts that of the process which started it as well)."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


def main(extra_bytes: int, seconds: float) -> None:
    """Read every input that standard input names."""
    import pyarrow.parquet  # noqa: F401  # what a reader imports when it is needed counts as no input's memory

    most = address_space() + extra_bytes
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    watch = Watch()
    for line in sys.stdin:
        signal.setitimer(signal.ITIMER_PROF, seconds)
        told = verdict(json.loads(line), watch)
        signal.setitimer(signal.ITIMER_PROF, 0)
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
