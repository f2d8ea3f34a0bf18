"""A thread that does one thing again and again, and outlives its failures."""

import logging
import threading
from collections.abc import Callable

logger = logging.getLogger(__name__)

MAX_PAUSE_SECONDS = 10.0  # between tries while the thing fails, for example because the database restarts


class Periodic:
    """Calls `act` every `seconds` until stopped. A failure is logged once until it changes, and the pause grows."""

    def __init__(self, name: str, act: Callable[[], object], seconds: float) -> None:
        self._act = act
        self._seconds = seconds
        self._stop = threading.Event()
        self._failure = ""
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin; the first call comes at once."""
        self._thread.start()

    def stop(self, seconds: float = 5.0) -> None:
        """No call begins after this; one in progress is waited for, not longer than `seconds`."""
        self._stop.set()
        self._thread.join(seconds)

    def _run(self) -> None:
        pause = 0.0
        while not self._stop.wait(pause):
            pause = self._seconds if self._try() else min(max(2 * pause, self._seconds), MAX_PAUSE_SECONDS)

    def _try(self) -> bool:
        try:
            self._act()
        except Exception as error:  # whatever it is, the thread must live
            if type(error).__name__ != self._failure:
                logger.exception("%s failed and is tried again", self._thread.name)
            self._failure = type(error).__name__
            return False
        if self._failure:
            logger.info("%s works again", self._thread.name)
        self._failure = ""
        return True
