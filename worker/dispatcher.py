"""From the outbox to Celery: a message for each queued job that this worker has a free slot and the devices for, to its
own queue.

Because no message is sent that could not run at once, prefetching cannot hold a job back behind another; because each
worker sends to itself, a full worker never takes what a free one could run, nor one without GPUs what asks for some.
Two workers may send the same job: the claim decides, and the loser walks away.
"""

from collections.abc import Callable

from store import outbox
from store.database import Database
from store.states import Kind
from store.values import Dispatch
from worker.slots import Slots

KINDS: tuple[Kind, ...] = ("plan", "job")


class Dispatcher:
    """Sends by `send(job_id)`, which raises where the broker does not take the message, what can run on `num_gpus`."""

    def __init__(
        self,
        database: Database,
        slots: Slots,
        num_gpus: int,
        send: Callable[[str], object],
        max_running: int | None = None,
    ) -> None:
        """`max_running`: jobs of one tenant that may run at once, on all workers together."""
        self._database = database
        self._slots = slots
        self._num_gpus = num_gpus
        self._send = send
        self._max_running = max_running

    def dispatch(self) -> list[str]:
        """Send what can run now; the ids of the jobs. One cheap query where nothing waits."""
        sent: list[str] = []
        try:
            for waiting in self._waiting():
                if self._send_one(waiting):
                    sent.append(waiting.job_id)
        finally:
            # After the publish: dying between the two sends a message twice, never not at all.
            if sent:
                with self._database.begin() as session:
                    outbox.mark_sent(session, sent)
        return sent

    def _waiting(self) -> list[Dispatch]:
        free = {kind: self._slots.free(kind) for kind in KINDS}
        if not any(free.values()):
            return []
        with self._database.read() as session:
            if outbox.is_empty(session):
                return []
            by_kind = [
                outbox.dispatchable(
                    session, kind=kind, limit=free[kind], num_gpus=self._num_gpus, max_running=self._max_running
                )
                for kind in KINDS
                if free[kind]
            ]
        return [waiting for found in by_kind for waiting in found]

    def _send_one(self, waiting: Dispatch) -> bool:
        if not self._slots.promise(waiting.job_id, waiting.kind):
            return False
        try:
            self._send(waiting.job_id)
        except BaseException:
            self._slots.withdraw(waiting.job_id)
            raise
        return True
