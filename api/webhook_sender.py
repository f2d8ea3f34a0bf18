"""Sends the messages of webhooks, in threads of an API process.

The API sends, and not a worker: it has its way to the network, and a worker in a closed network of GPU hosts may have
none. Any number of processes may send: a message belongs to who took it, and each sends one message at a time to an
endpoint, so that one that does not answer holds up no other.
"""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy.exc import SQLAlchemyError

from api.webhook_request import send
from core.spec.uris.limits import Limits
from store import deliveries
from store.database import Database
from store.sealing import Sealer
from store.webhook_values import Due

log = logging.getLogger("retort.api")
LOOK_SECONDS = 1.0
THREADS = 4
SWEEP_SECONDS = 3600.0


class WebhookSender:
    """Looks for messages from `start` to `close`; `get_sealer` opens the secrets that sign them. One that is not
    settled `sending_seconds` after it was taken, because its sender died, is taken by another. `tried` is called after
    each try, with whether the endpoint took the message.
    """

    def __init__(
        self,
        database: Database,
        get_sealer: Callable[[], Sealer],
        limits: Limits,
        *,
        tried: Callable[[bool], None] = lambda _: None,
        look_seconds: float = LOOK_SECONDS,
        sending_seconds: float = deliveries.SENDING_SECONDS,
    ) -> None:
        self._database = database
        self._get_sealer = get_sealer
        self._limits = limits
        self._tried = tried
        self._look_seconds = look_seconds
        self._sending_seconds = sending_seconds
        self._busy: set[str] = set()  # webhooks to whom a message is on its way
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="webhook")
        self._thread = threading.Thread(target=self._run, name="webhooks", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def close(self) -> None:
        """Take no further message. What is on its way may end; what is cut off is sent again by another process."""
        self._closing.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(5.0)
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _run(self) -> None:
        while not self._closing.is_set():
            self._wake.clear()
            try:
                while not self._closing.is_set() and self._send_next():
                    pass
            except SQLAlchemyError as error:
                log.warning("cannot look for webhooks: %s", type(error).__name__)
            self._wake.wait(self._look_seconds)

    def _send_next(self) -> bool:
        """Hand the next message to a thread; whether there was one and a thread for it."""
        with self._lock:
            busy = set(self._busy)
        if len(busy) >= THREADS:
            return False
        with self._database.read() as session:
            if not deliveries.is_due(session):
                return False
        with self._database.begin() as session:
            due = deliveries.take(session, busy, self._sending_seconds)
        if due is None:
            return False
        with self._lock:
            self._busy.add(due.webhook_id)
        self._pool.submit(self._send, due)
        return True

    def _send(self, due: Due) -> None:
        try:
            outcome = send(due, self._get_sealer, self._limits)
            self._tried(outcome.delivered)
            with self._database.begin() as session:
                disabled = deliveries.settle(session, due, outcome)
            if disabled:
                log.warning("webhook %s is disabled: %s", due.webhook_id, disabled)
        except Exception:  # the message stays taken, and is sent again when its time is over
            log.exception("webhook %s: a message was not settled", due.webhook_id)
        finally:
            with self._lock:
                self._busy.discard(due.webhook_id)
            self._wake.set()
