"""Two ways to send HTTP requests, with one interface: blocking for `Retort`, asynchronous for `AsyncRetort`.

Everything above this file is written once, as coroutines. The coroutines of `BlockingTransport` never suspend, so that
`retort.blocking` can run them without an event loop.
"""

import ipaddress
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol, TypeVar

import anyio.to_thread
import httpx

Result = TypeVar("Result")

CONNECT_TIMEOUT_SECONDS = 5.0
# A long poll is answered after `Prefer: wait` seconds (connection.LONG_POLL_SECONDS), so this must be longer.
READ_TIMEOUT_SECONDS = 60.0
TIMEOUT = httpx.Timeout(READ_TIMEOUT_SECONDS, connect=CONNECT_TIMEOUT_SECONDS)


def trusts_environment(url: str) -> bool:
    """Whether HTTP_PROXY and the like hold for an address: a proxy cannot reach the loopback of this machine."""
    host = httpx.URL(url).host
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host != "localhost"


class Transport(Protocol):
    """Sends requests to one base address. Raises httpx.HTTPError where no whole answer arrives."""

    async def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request and read the whole answer; `options` are those of httpx.Client.request."""

    def stream(self, path: str, headers: dict[str, str]) -> AbstractAsyncContextManager[httpx.Response]:
        """Send a GET request and read its head; the body is read by `read`, `chunks` or `lines`."""

    async def read(self, response: httpx.Response) -> None:
        """Read the whole body of a streamed answer."""

    def chunks(self, response: httpx.Response, num_bytes: int) -> AsyncIterator[bytes]:
        """The body of a streamed answer in pieces of `num_bytes`."""

    def lines(self, response: httpx.Response) -> AsyncIterator[str]:
        """The body of a streamed answer as lines of text without line ends."""

    async def sleep(self, seconds: float) -> None:
        """Wait."""

    async def call(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """Call a function that reads or writes files."""

    async def close(self) -> None:
        """Close the connections."""


class BlockingTransport:
    """Blocks the calling thread. No coroutine of this class suspends."""

    def __init__(self, url: str, auth: httpx.Auth | None, transport: httpx.BaseTransport | None = None) -> None:
        self._http = httpx.Client(
            base_url=url, timeout=TIMEOUT, auth=auth, transport=transport, trust_env=trusts_environment(url)
        )

    async def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request and read the whole answer."""
        return self._http.request(method, path, **options)

    @asynccontextmanager
    async def stream(self, path: str, headers: dict[str, str]) -> AsyncIterator[httpx.Response]:
        """Send a GET request and read its head."""
        with self._http.stream("GET", path, headers=headers) as response:
            yield response

    async def read(self, response: httpx.Response) -> None:
        """Read the whole body of a streamed answer."""
        response.read()

    async def chunks(self, response: httpx.Response, num_bytes: int) -> AsyncIterator[bytes]:
        """The body in pieces."""
        for chunk in response.iter_bytes(num_bytes):
            yield chunk

    async def lines(self, response: httpx.Response) -> AsyncIterator[str]:
        """The body as lines."""
        for line in response.iter_lines():
            yield line

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)

    async def call(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """Call a function."""
        return function(*arguments)

    async def close(self) -> None:
        """Close the connections."""
        self._http.close()


class AsyncTransport:
    """Suspends the calling task, under asyncio or trio."""

    def __init__(self, url: str, auth: httpx.Auth | None, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._http = httpx.AsyncClient(
            base_url=url, timeout=TIMEOUT, auth=auth, transport=transport, trust_env=trusts_environment(url)
        )

    async def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request and read the whole answer."""
        return await self._http.request(method, path, **options)

    @asynccontextmanager
    async def stream(self, path: str, headers: dict[str, str]) -> AsyncIterator[httpx.Response]:
        """Send a GET request and read its head."""
        async with self._http.stream("GET", path, headers=headers) as response:
            yield response

    async def read(self, response: httpx.Response) -> None:
        """Read the whole body of a streamed answer."""
        await response.aread()

    async def chunks(self, response: httpx.Response, num_bytes: int) -> AsyncIterator[bytes]:
        """The body in pieces."""
        async for chunk in response.aiter_bytes(num_bytes):
            yield chunk

    async def lines(self, response: httpx.Response) -> AsyncIterator[str]:
        """The body as lines."""
        async for line in response.aiter_lines():
            yield line

    async def sleep(self, seconds: float) -> None:
        """Wait while other tasks run."""
        await anyio.sleep(seconds)

    async def call(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """Call a function in a thread while other tasks run."""
        return await anyio.to_thread.run_sync(function, *arguments)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()
