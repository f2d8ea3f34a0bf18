"""The asynchronous client of a Retort service."""

import os
import uuid
from collections.abc import AsyncIterator, Sequence
from typing import Any, cast
from urllib.parse import quote

import httpx

from retort.connection import LONG_POLL_SECONDS, Connection
from retort.dataset_calls import DatasetCalls
from retort.job import AsyncJob
from retort.models import AuditEntryView, GarbageView, JobView, KeyView, MethodView, PlanView, SecretView, WorkerView
from retort.webhook_calls import WebhookCalls

DEFAULT_URL = "http://127.0.0.1:8000"
PATIENCE_SECONDS = 10.0
JOB_PAGE_SIZE = 100


def default_url() -> str:
    """The address of RETORT_URL, or http://127.0.0.1:8000."""
    return os.environ.get("RETORT_URL") or DEFAULT_URL


class Service(DatasetCalls, WebhookCalls):
    """What a service can be asked, over any connection. `AsyncRetort` and `Retort` offer these methods."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def url(self) -> str:
        """The address of the service."""
        return self._connection.url

    async def close(self) -> None:
        """Close the connections."""
        await self._connection.transport.close()

    async def submit(
        self, /, spec: dict[str, Any] | None = None, *, idempotency_key: str | None = None, **fields: Any
    ) -> AsyncJob:
        """Queue a job from a spec, from its fields as keywords, or both (keywords win).

        The key (a new one where none is given) makes the job exist once, however often the connection breaks. Raises
        Invalid for a spec that the service does not accept.
        """
        headers = {"Idempotency-Key": idempotency_key or str(uuid.uuid4())}
        body = {**(spec or {}), **fields}
        return self._job(await self._connection.send("POST", "/v1/jobs", repeatable=True, json=body, headers=headers))

    async def plan(self, /, spec: dict[str, Any] | None = None, **fields: Any) -> PlanView:
        """What a job would resolve to: spec, dataset facts, student, estimate. Nothing is trained."""
        headers = {"Prefer": f"wait={LONG_POLL_SECONDS}"}
        body = {**(spec or {}), **fields}
        answer = await self._connection.send("POST", "/v1/jobs/plan", repeatable=True, json=body, headers=headers)
        if answer.status_code != 202:
            return cast(PlanView, answer.json())
        # The plan takes longer than one request may: it is a job to wait for and to remove once it has been read.
        planning = self._job(answer)
        plan = (await planning.wait())["plan"]
        await planning.delete()
        return cast(PlanView, plan)

    async def job(self, job_id: str) -> AsyncJob:
        """The job with this id. Raises Refused (JOB_NOT_FOUND) where there is none."""
        return self._job(await self._connection.send("GET", f"/v1/jobs/{quote(job_id, safe='')}"))

    async def jobs(
        self,
        *,
        states: Sequence[str] = (),
        labels: dict[str, str] | None = None,
        limit: int | None = None,
        with_spec: bool = False,
    ) -> AsyncIterator[JobView]:
        """The jobs' views, newest first, over as many pages as there are; at most `limit`. Their `spec` is None unless
        `with_spec` asks for it.
        """
        params: dict[str, Any] = {"limit": JOB_PAGE_SIZE if limit is None else min(limit, JOB_PAGE_SIZE)}
        params |= {"state": list(states)} if states else {}
        params |= {"include": "spec"} if with_spec else {}
        params |= {"label": [f"{key}={value}" for key, value in labels.items()]} if labels else {}
        left = limit
        while True:
            page = await self._connection.json("GET", "/v1/jobs", params=params)
            for view in page["data"][:left]:
                yield view
            left = None if left is None else left - len(page["data"])
            if not page["has_more"] or (left is not None and left <= 0):
                return
            params["after"] = page["next_cursor"]

    async def methods(self) -> list[MethodView]:
        """The methods with the JSON Schemas of their knobs."""
        return cast(list[MethodView], await self._data("/v1/methods"))

    async def teachers(self) -> list[dict[str, Any]]:
        """The teachers known by name."""
        return cast(list[dict[str, Any]], await self._data("/v1/teachers"))

    async def students(self) -> list[dict[str, Any]]:
        """The student sizes with their parameters and multiply-accumulates, as `teachers`."""
        return cast(list[dict[str, Any]], await self._data("/v1/students"))

    async def workers(self) -> list[WorkerView]:
        """The workers that have announced themselves and not left, the oldest first."""
        return cast(list[WorkerView], await self._data("/v1/workers"))

    async def set_secret(self, name: str, value: str) -> None:
        """Store credentials under a name, which jobs give as `secret://name`."""
        path = f"/v1/secrets/{quote(name, safe='')}"
        await self._connection.send("PUT", path, repeatable=True, json={"value": value})

    async def secrets(self) -> list[SecretView]:
        """The names of the stored secrets; no call shows their values."""
        return cast(list[SecretView], await self._data("/v1/secrets"))

    async def remove_secret(self, name: str) -> None:
        """Remove a secret. Raises Refused (SECRET_NOT_FOUND) where there is none."""
        await self._connection.send("DELETE", f"/v1/secrets/{quote(name, safe='')}")

    async def keys(self) -> AsyncIterator[KeyView]:
        """The API keys of all tenants, the newest first. Needs the scope admin, as all that follows."""
        params: dict[str, Any] = {"limit": JOB_PAGE_SIZE}
        while True:
            page = await self._connection.json("GET", "/v1/keys", params=params)
            for key in page["data"]:
                yield key
            if not page["has_more"]:
                return
            params["after"] = page["next_cursor"]

    async def create_key(
        self,
        name: str,
        *,
        scope: str = "submit",
        tenant: str = "default",
        expires_in_days: float | None = None,
        limits: dict[str, int] | None = None,
    ) -> dict[str, Any]:
        """Make an API key. Its text, `key`, is shown this once."""
        body = {"name": name, "scope": scope, "tenant": tenant, "limits": limits or {}}
        more = {} if expires_in_days is None else {"expires_in_days": expires_in_days}
        return cast(dict[str, Any], await self._connection.json("POST", "/v1/keys", json=body | more))

    async def rotate_key(self, key_id: str, *, overlap_seconds: float = 86400.0) -> dict[str, Any]:
        """Give a key another secret; the one before is accepted for `overlap_seconds`."""
        path = f"/v1/keys/{quote(key_id, safe='')}/rotate"
        return cast(
            dict[str, Any], await self._connection.json("POST", path, json={"overlap_seconds": overlap_seconds})
        )

    async def revoke_key(self, key_id: str) -> KeyView:
        """Revoke a key for good."""
        return cast(KeyView, await self._connection.json("DELETE", f"/v1/keys/{quote(key_id, safe='')}"))

    async def garbage(self) -> list[GarbageView]:
        """What nobody needs any more, by place and kind; removes nothing."""
        return cast(list[GarbageView], (await self._connection.json("GET", "/v1/garbage"))["data"])

    async def remove_garbage(self) -> list[GarbageView]:
        """Remove from the database what nobody needs any more; the figures after that."""
        return cast(list[GarbageView], (await self._connection.json("DELETE", "/v1/garbage"))["data"])

    async def audit(
        self, *, tenant: str | None = None, action: str | None = None, limit: int | None = None
    ) -> AsyncIterator[AuditEntryView]:
        """The entries of the audit log, the newest first, at most `limit`."""
        asked = {"tenant": tenant, "action": action, "limit": min(limit or JOB_PAGE_SIZE, JOB_PAGE_SIZE)}
        params = {key: value for key, value in asked.items() if value is not None}
        left = limit
        while True:
            page = await self._connection.json("GET", "/v1/audit", params=params)
            for entry in page["data"][:left]:
                yield entry
            left = None if left is None else left - len(page["data"])
            if not page["has_more"] or (left is not None and left <= 0):
                return
            params["before"] = page["next_cursor"]

    async def sign_in_link(self) -> str:
        """A link to the dashboard that signs a browser in once, with the scope of this client's key."""
        made = await self._connection.json("POST", "/v1/session/links")
        return f"{self.url}{made['path']}"

    async def _data(self, path: str) -> Any:
        return (await self._connection.json("GET", path))["data"]

    def _job(self, answer: httpx.Response) -> AsyncJob:
        return AsyncJob(self._connection, answer.json(), answer.headers.get("etag"))


class AsyncRetort(Service):
    """A Retort service at an address; by default that of RETORT_URL, or http://127.0.0.1:8000.

    `api_key`: by default that of RETORT_API_KEY; without one, that of the service which the same user runs on this
    machine with `retort up`. `patience_seconds`: for how long a request that can safely be repeated is repeated while
    nobody answers.

        async with AsyncRetort() as retort:
            job = await retort.submit(teacher="cifar/resnet56", dataset="file:///data/photos.zip", student="small")
            await job.wait()
            await job.download("models/photos")
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        api_key: str | None = None,
        patience_seconds: float = PATIENCE_SECONDS,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        url = url or default_url()
        connection = Connection.asynchronous(
            url, api_key=api_key, patience_seconds=patience_seconds, transport=transport
        )
        super().__init__(connection)

    async def __aenter__(self) -> "AsyncRetort":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
