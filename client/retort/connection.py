"""The connection to a Retort service: repeats requests that may be repeated, and turns problem answers into errors."""

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from retort.credentials import credentials_for
from retort.errors import Unreachable, problem_of
from retort.transport import AsyncTransport, BlockingTransport, Transport

# Answers that mean "not now": a proxy without a backend, a service that is starting or shedding load.
BUSY = frozenset({429, 502, 503, 504})
# The longest time for which the service is asked to hold its answer.
LONG_POLL_SECONDS = 20


class Connection:
    """Sends requests to one service. `patience_seconds`: for how long a request that may be repeated is repeated."""

    def __init__(self, url: str, transport: Transport, *, patience_seconds: float) -> None:
        self.url = url
        self.transport = transport
        self.patience_seconds = patience_seconds

    @classmethod
    def blocking(
        cls, url: str, *, api_key: str | None, patience_seconds: float, transport: httpx.BaseTransport | None
    ) -> "Connection":
        """A connection for `Retort`. Raises ValueError where `url` is not the address of a service."""
        url = _checked_url(url)
        address, auth = credentials_for(url, api_key)
        return cls(url, BlockingTransport(address, auth, transport), patience_seconds=patience_seconds)

    @classmethod
    def asynchronous(
        cls, url: str, *, api_key: str | None, patience_seconds: float, transport: httpx.AsyncBaseTransport | None
    ) -> "Connection":
        """A connection for `AsyncRetort`. Raises ValueError where `url` is not the address of a service."""
        url = _checked_url(url)
        address, auth = credentials_for(url, api_key)
        return cls(url, AsyncTransport(address, auth, transport), patience_seconds=patience_seconds)

    async def json(self, method: str, path: str, **options: Any) -> Any:
        """The decoded answer of a request."""
        return (await self.send(method, path, **options)).json()

    async def send(
        self,
        method: str,
        path: str,
        *,
        repeatable: bool | None = None,
        patience_seconds: float | None = None,
        **options: Any,
    ) -> httpx.Response:
        """The answer of a request, 304 included. `repeatable`: sending it twice does no harm (default: it is a GET).

        Raises Unreachable, or the Problem that the service answers with.
        """
        repeatable = method == "GET" if repeatable is None else repeatable
        patience = self.patience_seconds if patience_seconds is None else patience_seconds
        for pause in _pauses(patience):
            try:
                answer = await self.transport.request(method, path, **options)
            except httpx.HTTPError as error:
                if pause is None or not (repeatable or _never_sent(error)):
                    raise self._unreachable(error) from error
            else:
                if answer.status_code not in BUSY or pause is None or not repeatable:
                    return _checked(answer)
                pause = max(pause, min(_retry_after(answer), patience))
            await self.transport.sleep(pause)
        raise AssertionError("the last pause is None")

    @asynccontextmanager
    async def stream(self, path: str, headers: dict[str, str]) -> AsyncIterator[httpx.Response]:
        """An answer whose body is read in pieces; one redirection is followed, without the API key. Raises Unreachable,
        also where the connection breaks in the body.
        """
        try:
            async with self.transport.stream(path, headers) as answer:
                elsewhere = answer.headers.get("location", "") if answer.status_code == 307 else ""
                if not elsewhere:
                    await self._check_stream(answer)
                    yield answer
            if elsewhere:
                # The other server has an ETag of its own; that the content is the same, the sha256 tells in the end.
                kept = {name: value for name, value in headers.items() if name != "If-Range"}
                async with self.transport.stream(elsewhere, kept) as answer:
                    await self._check_stream(answer)
                    yield answer
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error

    async def _check_stream(self, answer: httpx.Response) -> None:
        if answer.status_code >= 400 and answer.status_code != 416:
            await self.transport.read(answer)
            _checked(answer)

    def _unreachable(self, error: Exception) -> Unreachable:
        reason = str(error) or type(error).__name__
        return Unreachable(f"no Retort service answers at {self.url} ({reason})", hint="`retort up` starts one")


def _checked_url(url: str) -> str:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise ValueError(f"{url!r} is not the address of a service: {error}") from None
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise ValueError(f"{url!r} is not the address of a service; write it like http://127.0.0.1:8000")
    return url.rstrip("/")


def _pauses(patience_seconds: float) -> Iterator[float | None]:
    """Seconds to sleep after each failed try, doubling up to 5; None once `patience_seconds` are over."""
    deadline = time.monotonic() + patience_seconds
    pause = 0.1
    while time.monotonic() + pause < deadline:
        yield pause
        pause = min(pause * 2, 5.0)
    yield None


def _never_sent(error: httpx.HTTPError) -> bool:
    return isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)


def _retry_after(answer: httpx.Response) -> float:
    value = answer.headers.get("retry-after", "")
    return float(value) if value.isdigit() else 0.0


def _checked(answer: httpx.Response) -> httpx.Response:
    """The answer, if it is not a problem; raises the Problem otherwise."""
    if answer.status_code < 400:
        return answer
    try:
        body = answer.json()
    except ValueError:
        body = None
    raise problem_of(answer.status_code, body)
