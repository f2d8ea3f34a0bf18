"""The child's side of a race: a training loop runs freely to its warm-up's end, then in blocks when the parent says so.

The loop tells of every step; between blocks it stands still inside that call. A loop that is not ours tells by asking
its loader for the next batch. Messages are JSON objects, one a line.
"""

import json
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TextIO

WARM_UP_STEPS = 3


class Stopped(BaseException):
    """The parent wants no more blocks. No Exception, so that no loop's own handlers take it for an error."""


class Channel:
    """The pipes to and from the parent."""

    def __init__(self, heard: TextIO, said: TextIO) -> None:
        self._heard, self._said = heard, said

    def say(self, event: str, **values: Any) -> None:
        """Send one message."""
        self._said.write(json.dumps({"event": event, **values}) + "\n")
        self._said.flush()

    def next_block(self) -> float:
        """Wait for the length of the next block in seconds; raises Stopped where none comes."""
        line = self._heard.readline().strip()
        if not line or line == "stop":
            raise Stopped
        return float(line)


class Pacer:
    """Counts steps, times blocks. `synchronize` waits for a device whose work runs on after a step has returned."""

    def __init__(self, channel: Channel, *, synchronize: Callable[[], None] = lambda: None) -> None:
        self._channel, self._synchronize = channel, synchronize
        self._facts: dict[str, Any] = {}
        self._steps = 0
        self._began, self._seconds = 0.0, 0.0

    def note(self, **facts: Any) -> None:
        """Facts for the message that the child is ready."""
        self._facts.update(facts)

    def step_done(self) -> None:
        """A training step has ended. Returns when the next may begin; raises Stopped."""
        self._steps += 1
        if self._seconds:
            self._in_block()
            return
        if self._steps == 1:
            self._synchronize()
            self.note(first_step_at=time.time())
        if self._steps == WARM_UP_STEPS:
            self._channel.say("ready", **self._facts)
            self._begin_block()

    def _in_block(self) -> None:
        if time.perf_counter() - self._began < self._seconds:
            return
        self._synchronize()
        seconds = time.perf_counter() - self._began
        self._channel.say("block", steps=self._steps, seconds=seconds, peak_memory=peak_memory())
        self._begin_block()

    def _begin_block(self) -> None:
        self._steps, self._seconds = 0, self._channel.next_block()
        self._began = time.perf_counter()


class PacedLoader:
    """A loader whose consumer has done a step whenever it asks for the next batch."""

    def __init__(self, loader: Iterable[Any], pacer: Pacer) -> None:
        self._loader, self._pacer = loader, pacer

    def __len__(self) -> int:
        return len(self._loader)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[Any]:
        for batch in self._loader:
            yield batch
            self._pacer.step_done()


def peak_memory() -> int | None:
    """Bytes that this process held at most, without its workers; None where the system does not tell.

    Not ru_maxrss: Linux lets a new program inherit that of the process that started it.
    """
    try:
        with open("/proc/self/status") as status:
            line = next(line for line in status if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        return None
    return int(line.split()[1]) * 1024
