"""The engine's stdout and stderr, read on threads of their own: events into a bounded queue, the end of stderr kept."""

import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import BinaryIO

from pydantic import ValidationError

from core.events import Event, parse_event
from worker.hidden import without

logger = logging.getLogger(__name__)

# A result with two 1000-class confusion matrices is about 10 MB of JSON; a longer line is no event of ours.
MAX_LINE_BYTES = 64 * 1024 * 1024
# The engine waits on its pipe when this many events are unread, for example while the database restarts.
MAX_UNREAD = 2000
MAX_REPORTED = 10
STDERR_LINES = 200
STDERR_LINE_BYTES = 4096


class EngineOutput:
    """Reads one engine's two pipes until both end."""

    def __init__(self, stdout: BinaryIO, stderr: BinaryIO, hidden: tuple[bytes, ...] = ()) -> None:
        """`hidden`: texts that are replaced wherever the engine writes them."""
        self._hidden = hidden
        self.num_malformed = 0
        self._heard_at = time.monotonic()
        self._unread: queue.Queue[Event | None] = queue.Queue(MAX_UNREAD)
        self._tail: deque[str] = deque(maxlen=STDERR_LINES)
        self._deaf = threading.Event()
        self._threads = [
            threading.Thread(target=self._read_events, args=(stdout,), name="engine-stdout", daemon=True),
            threading.Thread(target=self._read_tail, args=(stderr,), name="engine-stderr", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def take(self, most: int, seconds: float) -> tuple[list[Event], bool]:
        """What comes within `seconds`, up to `most` events; and whether there may be more."""
        events: list[Event] = []
        until = time.monotonic() + seconds
        try:
            while len(events) < most:
                event = self._unread.get(timeout=max(until - time.monotonic(), 0.0))
                if event is None:
                    return events, False
                events.append(event)
        except queue.Empty:
            pass
        return events, True

    def mute_seconds(self) -> float:
        """Since when the engine has said nothing; one whose events wait to be taken is not mute."""
        return time.monotonic() - self._heard_at

    def stderr_tail(self, lines: int = STDERR_LINES) -> list[str]:
        """The last lines of the engine's stderr."""
        return list(self._tail)[-lines:]

    def close(self, seconds: float = 1.0) -> None:
        """Stop listening; waits no longer than `seconds`, as a process that left the group may still hold a pipe."""
        self._deaf.set()
        until = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(until - time.monotonic(), 0.0))

    def _read_events(self, pipe: BinaryIO) -> None:
        for line in _lines(pipe, MAX_LINE_BYTES):
            event = self._parse(line)
            if event is not None and not self._hand_over(event):
                break
        if self.num_malformed > MAX_REPORTED:
            logger.warning("the engine wrote %d lines that are no events", self.num_malformed)
        self._hand_over(None)

    def _parse(self, line: bytes | None) -> Event | None:
        try:
            if line is not None:
                line = without(line, self._hidden)
                return parse_event(line)
            what = f"a line longer than {MAX_LINE_BYTES} bytes"
        except ValidationError:
            what = repr((line or b"")[:200])
        self.num_malformed += 1
        if self.num_malformed <= MAX_REPORTED:
            logger.warning("the engine wrote what is no event: %s", what)
        return None

    def _hand_over(self, event: Event | None) -> bool:
        while not self._deaf.is_set():
            self._heard_at = time.monotonic()
            try:
                self._unread.put(event, timeout=0.5)
                return True
            except queue.Full:
                continue
        return False

    def _read_tail(self, pipe: BinaryIO) -> None:
        for line in _lines(pipe, STDERR_LINE_BYTES, cut=True):
            if line is not None:
                self._tail.append(without(line, self._hidden).decode("utf-8", "replace").rstrip())


def _lines(pipe: BinaryIO, most: int, *, cut: bool = False) -> Iterator[bytes | None]:
    """Each line of `pipe` without reading more than `most` bytes of it into memory; a longer one is None, or its head
    where `cut` says so."""
    while line := pipe.readline(most):
        whole = line.endswith(b"\n") or len(line) < most
        rest = line
        while not whole and (rest := pipe.readline(most)):
            whole = rest.endswith(b"\n")
        if line is rest or cut:
            yield line
        else:
            yield None
