"""Denied requests in the audit log, at a bounded rate: a stranger cannot fill the disk with them."""

import logging
import threading
import time

from sqlalchemy.exc import SQLAlchemyError
from starlette.types import Scope

from store import audit
from store.callers import Caller
from store.database import Database

log = logging.getLogger("retort.api")
# One in so many seconds, and so many at once after a quiet time.
INTERVAL_SECONDS = 1.0
AT_ONCE = 20.0
NOBODY = Caller("", "unknown", "read")


class Denials:
    """Writes the denied requests of one process; safe to share between threads."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._turn = threading.Lock()
        self._left = AT_ONCE
        self._at = time.monotonic()

    def record(self, scope: Scope, code: str, caller: Caller = NOBODY) -> None:
        """Add a request that was denied with this code, unless there were too many of late."""
        if not self._is_free():
            return
        entry = audit.NewEntry(
            tenant=caller.tenant,
            actor=caller.actor,
            action=code.lower(),
            target=f"{scope['method']} {scope['path']}",
            outcome="denied",
            client=(scope.get("client") or ["unknown"])[0],
            request_id=scope["state"]["request_id"],
        )
        try:
            with self._database.begin() as session:
                audit.record(session, entry)
        except SQLAlchemyError as error:
            log.warning("a denied request was not written to the audit log: %s", type(error).__name__)

    def _is_free(self) -> bool:
        with self._turn:
            now = time.monotonic()
            self._left = min(AT_ONCE, self._left + (now - self._at) / INTERVAL_SECONDS)
            self._at = now
            if self._left < 1.0:
                return False
            self._left -= 1.0
            return True
