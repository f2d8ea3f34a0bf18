"""A handle on one job of the service."""

import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any, cast

from retort import download, sse
from retort.connection import LONG_POLL_SECONDS, Connection
from retort.errors import JobCancelled, JobFailed, Unreachable, WaitTimeout
from retort.models import ArtifactView, JobView, LogView

# A service that answers a long poll at once must not be asked without a pause.
LEAST_PAUSE_SECONDS = 0.25
# For how long waiting goes on while a service restarts.
WAIT_PATIENCE_SECONDS = 60.0
LOG_PAGE_LINES = 1000


class AsyncJob:
    """One job. `view` is the job as the service last gave it; the methods ask the service."""

    def __init__(self, connection: Connection, view: JobView, etag: str | None = None) -> None:
        self._connection = connection
        self._etag = etag
        self.view = view

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.id}, {self.view['state']})"

    @property
    def id(self) -> str:
        """The id, such as job_01J..."""
        return self.view["id"]

    @property
    def _path(self) -> str:
        return f"/v1/jobs/{self.id}"

    async def refresh(self, wait_seconds: int = 0, patience_seconds: float | None = None) -> bool:
        """Read the job again; returns whether it changed.

        `wait_seconds`: for how long the service may hold its answer while nothing changes. `patience_seconds`: for how
        long an unreachable service is asked again (default: as for the client).
        """
        headers = {"If-None-Match": self._etag} if self._etag else {}
        if wait_seconds:
            headers["Prefer"] = f"wait={wait_seconds}"
        answer = await self._connection.send("GET", self._path, headers=headers, patience_seconds=patience_seconds)
        if answer.status_code == 304:
            return False
        self._etag = answer.headers.get("etag")
        self.view = answer.json()
        return True

    async def changes(self, timeout_seconds: float | None = None) -> AsyncIterator[JobView]:
        """The job's view now and after every change, until it is done. Goes on while a service restarts.

        Raises WaitTimeout where the job is not done after `timeout_seconds`.
        """
        deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        yield self.view
        while not self.view["done"]:
            asked_at = time.monotonic()
            if deadline is not None and asked_at >= deadline:
                state = self.view["state"]
                raise WaitTimeout(f"{self.id} is {state} after {timeout_seconds:g} s; it goes on")
            left = LONG_POLL_SECONDS if deadline is None else min(LONG_POLL_SECONDS, deadline - asked_at)
            changed = await self.refresh(wait_seconds=max(1, round(left)), patience_seconds=WAIT_PATIENCE_SECONDS)
            await self._connection.transport.sleep(max(0.0, LEAST_PAUSE_SECONDS - (time.monotonic() - asked_at)))
            if changed:
                yield self.view

    async def wait(
        self, on_progress: Callable[[JobView], None] | None = None, timeout_seconds: float | None = None
    ) -> JobView:
        """The job's view once it has succeeded; `on_progress` is called with every view before.

        Raises JobFailed, JobCancelled, WaitTimeout.
        """
        async for view in self.changes(timeout_seconds):
            if on_progress:
                on_progress(view)
        if self.view["state"] == "failed":
            raise JobFailed(self.view)
        if self.view["state"] == "cancelled":
            raise JobCancelled(self.view)
        return self.view

    async def cancel(self) -> "AsyncJob":
        """Ask for the end of the job. Raises Refused where it has ended already."""
        return await self._act("cancel")

    async def pause(self) -> "AsyncJob":
        """Ask for a checkpoint and a pause. Raises Refused where the job has ended or is being cancelled."""
        return await self._act("pause")

    async def resume(self) -> "AsyncJob":
        """Queue a paused job again, to go on from its checkpoint. Raises Refused where it is not paused."""
        return await self._act("resume")

    async def retry(self) -> "AsyncJob":
        """Queue a failed or cancelled job once more. Raises Refused where it is neither."""
        return await self._act("retry")

    async def change(
        self, *, name: str | None = None, labels: dict[str, str | None] | None = None, priority: int | None = None
    ) -> "AsyncJob":
        """Change what is given: the name, the labels (None removes one), the priority of a job that waits.

        Raises Refused where a priority is given and the job is neither queued nor paused.
        """
        given = {"name": name, "labels": labels, "priority": priority}
        body = {key: value for key, value in given.items() if value is not None}
        answer = await self._connection.send("PATCH", self._path, json=body, repeatable=True)
        self.view, self._etag = answer.json(), answer.headers.get("etag")
        return self

    async def delete(self) -> None:
        """Remove an ended job with its metrics and files. Raises Refused where it has not ended."""
        await self._connection.send("DELETE", self._path)

    async def metrics(
        self, names: Sequence[str] = (), *, since_step: int | None = None, max_points: int | None = None
    ) -> dict[str, list[tuple[int, float | None, str]]]:
        """The curves by name, each as points of (step, value, time); a value that was not finite is None."""
        asked: dict[str, Any] = {"name": list(names), "since_step": since_step, "max_points": max_points}
        params = {key: value for key, value in asked.items() if value not in (None, [])}
        series = await self._connection.json("GET", f"{self._path}/metrics", params=params)
        return {one["name"]: [(step, value, at) for step, value, at in one["points"]] for one in series["data"]}

    async def events(self, after: str | None = None) -> AsyncIterator[sse.Event]:
        """The events of the job as they happen, each once, until it ends; only those after the id `after`.

        A connection that breaks is made again, and the events go on after the last one.
        """
        last = after
        failing_since: float | None = None
        while True:
            try:
                headers = {"Accept": "text/event-stream", **({"Last-Event-ID": last} if last else {})}
                async with self._connection.stream(f"{self._path}/events", headers) as answer:
                    async for event in sse.parse(self._connection.transport.lines(answer)):
                        failing_since = None
                        last = event.id or last
                        yield event
                await self.refresh()
                if self.view["done"]:
                    return
            except Unreachable:
                failing_since = failing_since or time.monotonic()
                if time.monotonic() - failing_since > WAIT_PATIENCE_SECONDS:
                    raise
            await self._connection.transport.sleep(LEAST_PAUSE_SECONDS)

    async def logs(self, *, attempt: int | None = None, after: int = 0) -> AsyncIterator[LogView]:
        """The engine's log lines so far, over as many pages as there are; only those of `attempt`, after `after`."""
        params = {"limit": LOG_PAGE_LINES, "after": after} | ({} if attempt is None else {"attempt": attempt})
        while True:
            page = await self._connection.json("GET", f"{self._path}/logs", params=params)
            for line in page["data"]:
                yield line
            if not page["has_more"]:
                return
            params["after"] = page["next_cursor"]

    async def artifacts(self) -> list[ArtifactView]:
        """The files of the job."""
        return cast(list[ArtifactView], (await self._connection.json("GET", f"{self._path}/artifacts"))["data"])

    async def download(
        self, folder: str | Path, names: Sequence[str] = (), on_bytes: Callable[[int], None] | None = None
    ) -> list[Path]:
        """Fetch the artifacts (all, or those in `names`) into `folder`; the paths of the files.

        A file that was fetched in part is continued, and each is checked by its sha256. `on_bytes` is called with the
        size of every piece that arrives. Raises ValueError for a name that the job does not have, DownloadCorrupt,
        Unreachable.
        """
        offered = {artifact["name"]: artifact for artifact in await self.artifacts()}
        missing = [name for name in names if name not in offered]
        if missing:
            raise ValueError(f"{self.id} has no artifact {missing[0]!r}; it has: {', '.join(offered) or 'none yet'}")
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        return [await download.fetch(self._connection, offered[name], folder, on_bytes) for name in names or offered]

    async def _act(self, action: str) -> "AsyncJob":
        answer = await self._connection.send("POST", f"{self._path}/{action}")
        self.view, self._etag = answer.json(), answer.headers.get("etag")
        return self
