"""Tells waiting requests of changes to jobs: one poller a process reads for all of them, and only while any wait.

Waiting costs neither a thread nor a database connection. The poller reads the versions of all these jobs in one query,
and the new events of each job that has listeners once, however many listen.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field

import anyio
from sqlalchemy.exc import SQLAlchemyError

from store import queries
from store.database import Database
from store.values import Event, JobVersion

log = logging.getLogger("retort.api")
INTERVAL_SECONDS = 0.2
# While the database is away: often enough to be prompt, seldom enough not to pile up.
RETRY_SECONDS = 1.0
PAGE = 500
# Events kept for listeners that are a little behind; those further behind read the database.
KEPT = 2000


@dataclass
class _Tail:
    """The newest events of a job: complete after `floor`, read up to `last`."""

    floor: int
    last: int
    events: deque[Event] = field(default_factory=deque)
    listeners: int = 0
    ended: bool = False  # the job was done, and nothing more was to be read

    def take(self, events: Sequence[Event]) -> None:
        """Add what was read after `last`."""
        self.events.extend(events)
        self.last = events[-1].seq if events else self.last
        while len(self.events) > KEPT:
            self.floor = self.events.popleft().seq


class ChangeFeed:
    """Shared by all requests of a process; belongs to one event loop."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting_for: dict[str, int] = {}
        self._seen: dict[str, JobVersion | None] = {}  # None: the job is gone
        self._tails: dict[str, _Tail] = {}
        self._tick = asyncio.Event()
        self._poller: asyncio.Task[None] | None = None
        self.closed = False

    @property
    def idle(self) -> bool:
        """Whether nobody waits, so that nothing is polled."""
        return not self._waiting_for

    def close(self) -> None:
        """Let all that wait go; the server is about to end."""
        self.closed = True
        self._wake()

    async def changed(self, job_id: str, version: int, seconds: float) -> None:
        """Return when the job is past `version` or gone; at the latest after `seconds`."""
        await self._until(job_id, lambda seen: seen is None or seen.version > version, seconds)

    async def done(self, job_id: str, seconds: float) -> None:
        """Return when the job has ended or is gone; at the latest after `seconds`."""
        await self._until(job_id, lambda seen: seen is None or seen.done, seconds)

    async def follow(self, job_id: str, after: int, beat: float) -> AsyncIterator[Event | None]:
        """The job's events after the seq `after` as they come, and None whenever `beat` seconds brought none.

        Ends after the last event of a job that is done or gone.
        """
        with self._waiting(job_id), self._listening(job_id, after) as tail:
            while not self.closed:
                events = await self._after(job_id, tail, after)
                for event in events:
                    yield event
                    after = event.seq
                if not events and tail.ended:
                    return
                if not events and not await self._ticked(beat):
                    yield None

    async def _after(self, job_id: str, tail: _Tail, after: int) -> Sequence[Event]:
        if after < tail.floor:
            return await anyio.to_thread.run_sync(self._read, job_id, after)
        return [event for event in tail.events if event.seq > after] if after < tail.last else []

    def _read(self, job_id: str, after: int) -> Sequence[Event]:
        with self._database.read() as session:
            return queries.events(session, job_id, after_seq=after, limit=PAGE)

    async def _until(self, job_id: str, met: Callable[[JobVersion | None], bool], seconds: float) -> None:
        with self._waiting(job_id), contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not self.closed and not (job_id in self._seen and met(self._seen[job_id])):
                    await self._tick.wait()

    async def _ticked(self, seconds: float) -> bool:
        """Whether the poller saw something new within so many seconds."""
        try:
            async with asyncio.timeout(seconds):
                await self._tick.wait()
        except TimeoutError:
            return False
        return True

    @contextlib.contextmanager
    def _waiting(self, job_id: str) -> Iterator[None]:
        self._waiting_for[job_id] = self._waiting_for.get(job_id, 0) + 1
        if self._poller is None or self._poller.done():
            self._poller = asyncio.create_task(self._poll())
        try:
            yield
        finally:
            self._waiting_for[job_id] -= 1
            if not self._waiting_for[job_id]:
                del self._waiting_for[job_id]
                self._seen.pop(job_id, None)

    @contextlib.contextmanager
    def _listening(self, job_id: str, after: int) -> Iterator[_Tail]:
        tail = self._tails.setdefault(job_id, _Tail(floor=after, last=after))
        tail.listeners += 1
        try:
            yield tail
        finally:
            tail.listeners -= 1
            if not tail.listeners:
                self._tails.pop(job_id, None)

    async def _poll(self) -> None:
        """Run while someone waits."""
        while self._waiting_for and not self.closed:
            asked = {job_id: self._tails.get(job_id) for job_id in self._waiting_for}
            lasts = {job_id: tail.last for job_id, tail in asked.items() if tail}
            try:
                seen, fresh = await anyio.to_thread.run_sync(self._look, list(asked), lasts)
            except SQLAlchemyError as error:
                log.warning("cannot look for changes: %s", type(error).__name__)
                await asyncio.sleep(RETRY_SECONDS)
                continue
            # Who came while the thread was reading was not asked for, and waits for the next turn.
            if any(
                [self._learn(job_id, seen.get(job_id), tail, fresh.get(job_id, ())) for job_id, tail in asked.items()]
            ):
                self._wake()
            await asyncio.sleep(INTERVAL_SECONDS)

    def _look(
        self, job_ids: list[str], lasts: dict[str, int]
    ) -> tuple[dict[str, JobVersion], dict[str, Sequence[Event]]]:
        """Runs in a thread, so it changes nothing: the jobs, and the events after the seqs in `lasts`."""
        with self._database.read() as session:
            seen = queries.job_versions(session, job_ids)
        behind = [job_id for job_id, last in lasts.items() if job_id in seen and last < seen[job_id].last_seq]
        return seen, {job_id: self._read(job_id, lasts[job_id]) for job_id in behind}

    def _learn(self, job_id: str, now: JobVersion | None, tail: _Tail | None, events: Sequence[Event]) -> bool:
        """Take over what was read of one job; whether anything is new."""
        if job_id not in self._waiting_for:
            return False
        news = job_id not in self._seen or self._seen[job_id] != now
        self._seen[job_id] = now
        if tail is None:
            return news
        tail.take(events)
        ended = now is None or (now.done and tail.last >= now.last_seq)
        news |= bool(events) or ended != tail.ended
        tail.ended = ended
        return news

    def _wake(self) -> None:
        tick, self._tick = self._tick, asyncio.Event()
        tick.set()
