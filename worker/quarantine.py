"""A worker whose host cannot run jobs takes none until its own check passes: else it would take job after job from the
queue and fail each within a second, beside workers that could run them.
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import Protocol

logger = logging.getLogger(__name__)

MOST_PAUSE_SECONDS = 120.0  # between two whole checks, each of which starts an engine


class Check(Protocol):
    """What tells whether the host can run jobs: a reason why not, or None."""

    def quick(self) -> str | None:
        """In milliseconds."""

    def whole(self) -> str | None:
        """In seconds."""


class Quarantine:
    """Whether one worker may take jobs; safe to share between threads."""

    def __init__(self, check: Check, first_pause_seconds: float) -> None:
        """In quarantine, the first whole check comes after `first_pause_seconds`, later ones after twice as long."""
        self._check = check
        self._first_pause = first_pause_seconds
        self._pause = first_pause_seconds
        self._look_at = -float("inf")
        self._reason: str | None = None
        self._checking = threading.Lock()
        self.on_change: Callable[[], object] = lambda: None  # called when `reason` has changed

    @property
    def reason(self) -> str | None:
        """Why the worker takes no jobs; None where it does."""
        return self._reason

    def suspect(self, *, whole: bool = True) -> str | None:
        """Check at once, because an attempt ended as it would on a host that cannot run jobs; the reason, if any."""
        with self._checking:
            if whole or self._reason is None:
                self._set(self._check.whole() if whole else self._check.quick())
            return self._reason

    def look(self) -> None:
        """Call it often: checks space and descriptors, and in quarantine, after growing pauses, whether it is over."""
        if not self._checking.acquire(blocking=False):
            return
        try:
            if self._reason is None:
                self._set(self._check.quick())
            elif time.monotonic() >= self._look_at:
                self._set(self._check.whole())
        finally:
            self._checking.release()

    def _set(self, reason: str | None) -> None:
        before, self._reason = self._reason, reason
        if reason is not None:
            self._pause = self._first_pause if before is None else min(2 * self._pause, MOST_PAUSE_SECONDS)
            self._look_at = time.monotonic() + self._pause
        if (before is None) == (reason is None):
            return
        if reason is None:
            logger.warning("quarantine is over: the host can run jobs again")
        else:
            logger.error("this worker takes no jobs until its own check passes: %s", reason)
        try:
            self.on_change()
        except Exception as error:  # the database may be away; whoever asked must learn of the reason all the same
            logger.warning("the change could not be announced yet: %s", type(error).__name__)
