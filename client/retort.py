"""The client of a Retort service."""

import os
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

import httpx

from client.job import Job
from client.wire import LONG_POLL_SECONDS, Wire

DEFAULT_URL = "http://127.0.0.1:8000"


class Retort:
    """A Retort service at an address; by default that of RETORT_URL, or http://127.0.0.1:8000.

    `patience_seconds`: how long a request that can safely be repeated is tried again while nobody answers.

        job = Retort().submit(teacher="torchvision/resnet50", dataset="file:///data/photos.zip", student="small")
        job.wait()
        job.download("models/photos")
    """

    def __init__(
        self, url: str | None = None, *, patience_seconds: float = 10.0, transport: httpx.BaseTransport | None = None
    ) -> None:
        url = url or os.environ.get("RETORT_URL") or DEFAULT_URL
        self._wire = Wire(url, patience_seconds=patience_seconds, transport=transport)

    def __enter__(self) -> "Retort":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        """The address of the service."""
        return self._wire.url

    def close(self) -> None:
        """Give the connections back."""
        self._wire.close()

    def submit(self, spec: dict[str, Any] | None = None, *, idempotency_key: str | None = None, **fields: Any) -> Job:
        """Queue a job from a spec, from its fields as keywords, or both (keywords win).

        The key (a new one where none is given) makes the job exist once, however often the connection breaks.
        """
        headers = {"Idempotency-Key": idempotency_key or str(uuid.uuid4())}
        body = {**(spec or {}), **fields}
        answer = self._wire.send("POST", "/v1/jobs", repeatable=True, json=body, headers=headers)
        return Job(self._wire, answer.json(), answer.headers.get("etag"))

    def plan(self, spec: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
        """What a job would resolve to: spec, dataset facts, student, estimate. Nothing is trained."""
        headers = {"Prefer": f"wait={LONG_POLL_SECONDS}"}
        body = {**(spec or {}), **fields}
        answer = self._wire.send("POST", "/v1/jobs/plan", repeatable=True, json=body, headers=headers)
        if answer.status_code != 202:
            return answer.json()
        # The plan outlasted the deadline of one request; it is a job to wait for, and goes once it is told.
        planning = Job(self._wire, answer.json(), answer.headers.get("etag"))
        plan = planning.wait()["plan"]
        planning.delete()
        return plan

    def job(self, job_id: str) -> Job:
        """The job with this id; raises Refused (JOB_NOT_FOUND) where there is none."""
        answer = self._wire.send("GET", f"/v1/jobs/{job_id}")
        return Job(self._wire, answer.json(), answer.headers.get("etag"))

    def jobs(
        self, *, states: Sequence[str] = (), labels: dict[str, str] | None = None, most: int | None = None
    ) -> Iterator[dict[str, Any]]:
        """The jobs' views, newest first, over as many pages as there are; at most `most`."""
        params: dict[str, Any] = {"limit": 100 if most is None else min(most, 100)}
        params |= {"state": list(states)} if states else {}
        params |= {"label": [f"{key}={value}" for key, value in labels.items()]} if labels else {}
        left = most
        while True:
            page = self._wire.json("GET", "/v1/jobs", params=params)
            yield from page["data"][:left]
            left = None if left is None else left - len(page["data"])
            if not page["has_more"] or (left is not None and left <= 0):
                return
            params["after"] = page["next_cursor"]

    def methods(self) -> list[dict[str, Any]]:
        """The methods with the JSON Schemas of their knobs."""
        return self._wire.json("GET", "/v1/methods")["data"]

    def teachers(self) -> list[dict[str, Any]]:
        """The teachers known by name."""
        return self._wire.json("GET", "/v1/teachers")["data"]

    def students(self) -> list[dict[str, Any]]:
        """The student sizes with their params and MACs."""
        return self._wire.json("GET", "/v1/students")["data"]
