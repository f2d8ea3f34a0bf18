"""A handle on one job of the service."""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from client import download, sse
from client.errors import JobCancelled, JobFailed, Unreachable, WaitTimeout
from client.wire import LONG_POLL_SECONDS, Wire

# Between two looks at a job: a service that answers at once must not be asked in a circle.
LEAST_PAUSE_SECONDS = 0.25
# How long a watcher outlasts a service that restarts.
WATCH_PATIENCE_SECONDS = 60.0


class Job:
    """One job. `view` is the job as the service last gave it; the methods ask the service."""

    def __init__(self, wire: Wire, view: dict[str, Any], etag: str | None = None) -> None:
        self._wire = wire
        self._etag = etag
        self.view = view

    def __repr__(self) -> str:
        return f"Job({self.id}, {self.state})"

    @property
    def id(self) -> str:
        """The id, such as job_01J..."""
        return self.view["id"]

    @property
    def state(self) -> str:
        """The state when last seen."""
        return self.view["state"]

    @property
    def done(self) -> bool:
        """Whether the job had ended when last seen: succeeded, failed or cancelled."""
        return bool(self.view["done"])

    @property
    def _path(self) -> str:
        return f"/v1/jobs/{self.id}"

    def refresh(self, wait_seconds: int = 0, patience_seconds: float | None = None) -> bool:
        """Read the job again; whether it changed. `wait_seconds`: for how long the service may hold its answer."""
        headers = {"If-None-Match": self._etag} if self._etag else {}
        if wait_seconds:
            headers["Prefer"] = f"wait={wait_seconds}"
        answer = self._wire.send("GET", self._path, headers=headers, patience_seconds=patience_seconds)
        if answer.status_code == 304:
            return False
        self._etag = answer.headers.get("etag")
        self.view = answer.json()
        return True

    def changes(self, timeout_seconds: float | None = None) -> Iterator[dict[str, Any]]:
        """The job's view now and after every change, until it is done. Outlasts a service that restarts."""
        deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        yield self.view
        while not self.done:
            asked_at = time.monotonic()
            if deadline is not None and asked_at >= deadline:
                raise WaitTimeout(f"{self.id} is {self.state} after {timeout_seconds:g} s; it goes on")
            left = LONG_POLL_SECONDS if deadline is None else min(LONG_POLL_SECONDS, deadline - asked_at)
            changed = self.refresh(wait_seconds=max(1, round(left)), patience_seconds=WATCH_PATIENCE_SECONDS)
            time.sleep(max(0.0, LEAST_PAUSE_SECONDS - (time.monotonic() - asked_at)))
            if changed:
                yield self.view

    def wait(
        self, on_progress: Callable[[dict[str, Any]], None] | None = None, timeout_seconds: float | None = None
    ) -> dict[str, Any]:
        """The job's view once it has succeeded; `on_progress` is called with every view before.

        Raises JobFailed, JobCancelled, WaitTimeout.
        """
        for view in self.changes(timeout_seconds):
            if on_progress:
                on_progress(view)
        if self.state == "failed":
            raise JobFailed(self.view)
        if self.state == "cancelled":
            raise JobCancelled(self.view)
        return self.view

    def cancel(self) -> "Job":
        """Ask for the end of the job; raises Refused where it has ended already."""
        return self._move("cancel")

    def retry(self) -> "Job":
        """Queue a failed or cancelled job once more."""
        return self._move("retry")

    def delete(self) -> None:
        """Remove an ended job with everything that belongs to it."""
        self._wire.send("DELETE", self._path)

    def metrics(
        self, names: Sequence[str] = (), *, since_step: int | None = None, max_points: int | None = None
    ) -> dict[str, list[tuple[int, float | None, str]]]:
        """The curves by name: points of (step, value, time)."""
        asked: dict[str, Any] = {"name": list(names), "since_step": since_step, "max_points": max_points}
        params = {key: value for key, value in asked.items() if value not in (None, [])}
        series = self._wire.json("GET", f"{self._path}/metrics", params=params)
        return {one["name"]: [tuple(point) for point in one["points"]] for one in series["data"]}

    def events(self, after: str | None = None) -> Iterator[sse.Event]:
        """The events of the job, live, each once, until it ends. A lost connection is taken up after the last event."""
        last = after
        failing_since: float | None = None
        while True:
            try:
                headers = {"Accept": "text/event-stream", **({"Last-Event-ID": last} if last else {})}
                with self._wire.stream(f"{self._path}/events", headers) as answer:
                    for event in sse.parse(answer.iter_lines()):
                        failing_since = None
                        last = event.id or last
                        yield event
                self.refresh()
                if self.done:
                    return
            except Unreachable:
                failing_since = failing_since or time.monotonic()
                if time.monotonic() - failing_since > WATCH_PATIENCE_SECONDS:
                    raise
            time.sleep(LEAST_PAUSE_SECONDS)

    def logs(self) -> list[dict[str, Any]]:
        """The engine's log lines."""
        return self._wire.json("GET", f"{self._path}/logs")["data"]

    def artifacts(self) -> list[dict[str, Any]]:
        """The files of the job: name, media_type, size_bytes, sha256, href."""
        return self._wire.json("GET", f"{self._path}/artifacts")["data"]

    def download(
        self,
        folder: str | Path,
        names: Sequence[str] = (),
        on_bytes: Callable[[int], None] | None = None,
    ) -> list[Path]:
        """Fetch the artifacts (all, or the named) into `folder`; each resumed where it broke off, sha256 checked."""
        offered = {artifact["name"]: artifact for artifact in self.artifacts()}
        missing = [name for name in names if name not in offered]
        if missing:
            raise ValueError(f"{self.id} has no artifact {missing[0]!r}; it has: {', '.join(offered) or 'none yet'}")
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        return [download.fetch(self._wire, offered[name], folder, on_bytes) for name in names or offered]

    def _move(self, verb: str) -> "Job":
        answer = self._wire.send("POST", f"{self._path}/{verb}")
        self.view, self._etag = answer.json(), answer.headers.get("etag")
        return self
