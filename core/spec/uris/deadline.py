"""The latest moment of a transfer, which a server cannot put off by sending a byte now and then."""

import contextlib
import socket
import threading
import time
from types import TracebackType
from typing import Self

from core.spec.uris.reason import Unreachable


class Deadline:
    """A context manager for one transfer: when `seconds` are over, its sockets end, and `left` raises Unreachable."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._at = time.monotonic() + seconds
        self._sockets: list[socket.socket] = []
        self._lock = threading.Lock()
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        """A failure after the deadline is that of the deadline."""
        self._timer.cancel()
        if isinstance(error, Exception):
            self.left()

    def left(self) -> float:
        """Seconds until the deadline; raises Unreachable if it has passed."""
        left = self._at - time.monotonic()
        if left <= 0:
            raise Unreachable(f"the transfer took longer than {self._seconds:g} seconds, which is what is allowed")
        return left

    def watch(self, connected: socket.socket) -> None:
        """End this socket at the deadline, whatever it waits for then."""
        with self._lock:
            self._sockets.append(connected)

    def _end(self) -> None:
        with self._lock:
            for connected in self._sockets:
                with contextlib.suppress(OSError):  # closed already
                    socket.socket.shutdown(connected, socket.SHUT_RDWR)
