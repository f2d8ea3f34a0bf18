"""The outermost layer: a request id, one log line a request, the figures, and the answer to a defect of ours."""

import json
import logging
import re
import sys
import time
import uuid
from datetime import UTC, datetime

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import internal
from api.telemetry import Telemetry
from store.logs import log_ids
from store.tracing import span

log = logging.getLogger("retort.api")
_ACCEPTABLE_ID = re.compile(r"[\w.:-]{1,64}", re.ASCII)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Access:
    """ASGI middleware. The line holds no query, header or body, so that no secret gets into it."""

    def __init__(self, app: ASGIApp, telemetry: Telemetry, quiet: bool = False) -> None:
        self.app = app
        self.telemetry = telemetry
        self.quiet = quiet

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request and log it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = _request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        started = time.perf_counter()
        status, num_bytes = 0, 0

        async def send_counted(message: Message) -> None:
            nonlocal status, num_bytes
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-Id"] = request_id
            num_bytes += len(message.get("body", b""))
            await send(message)

        name = f"{scope['method']} {scope['path']}"
        parent = Headers(scope=scope).get("traceparent")
        ids = {"request_id": request_id}
        with (
            log_ids(**ids),
            span(name, parent=parent, attributes=ids, is_server=True) as request_span,
            self.telemetry.in_flight.track_inprogress(),
        ):
            try:
                await self.app(scope, receive, send_counted)
            except Exception:
                log.exception("request %s failed", request_id)
                if status:
                    raise  # the answer has begun: only breaking it off tells the client
                await internal().response(scope)(scope, receive, send_counted)
            finally:
                if request_span is not None:
                    request_span.update_name(f"{scope['method']} {_route_of(scope)}")
                    request_span.set_attributes({"http.response.status_code": status, **_job_of(scope)})
                self._tell(scope, status, num_bytes, time.perf_counter() - started)

    def _tell(self, scope: Scope, status: int, num_bytes: int, seconds: float) -> None:
        route = _route_of(scope)
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self.telemetry.ended(method, route, status, seconds)
        if self.quiet:
            return
        line = {
            "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "level": "info",
            "logger": "retort.access",
            "request_id": scope["state"]["request_id"],
            **_job_of(scope),
            "method": scope["method"],
            "path": scope["path"],
            "status": status,
            "num_bytes": num_bytes,
            "seconds": round(seconds, 4),
            "client": (scope.get("client") or ["unknown"])[0],
        }
        print(json.dumps(line), file=sys.stderr, flush=True)


def _route_of(scope: Scope) -> str:
    return getattr(scope.get("route"), "path", "unmatched")


def _job_of(scope: Scope) -> dict[str, str]:
    """The id of the job that the request is about: that of its path, or of the job that it made."""
    found = scope["state"].get("target") or scope.get("path_params", {}).get("job_id") or ""
    return {"job_id": found} if found.startswith("job_") else {}


def _request_id(scope: Scope) -> str:
    given = Headers(scope=scope).get("x-request-id", "")
    return given if _ACCEPTABLE_ID.fullmatch(given) else uuid.uuid4().hex
