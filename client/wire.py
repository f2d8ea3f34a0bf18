"""The connection to a Retort service: what may be repeated is, until patience ends; problems become errors."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx

from client.errors import Unreachable, problem_of

# Answers that mean "not now": a proxy without a backend, a service that is starting or shedding load.
BUSY = frozenset({429, 502, 503, 504})
# A held long poll answers after `Prefer: wait` seconds; the read timeout must lie beyond it.
LONG_POLL_SECONDS = 20
READ_TIMEOUT_SECONDS = 60.0


class Wire:
    """Sends requests to one base address. `patience_seconds` bounds how long a safe request is tried again."""

    def __init__(self, url: str, *, patience_seconds: float, transport: httpx.BaseTransport | None = None) -> None:
        if not url.startswith(("http://", "https://")):
            raise ValueError(f"{url!r} is no address of a service; write it like http://127.0.0.1:8000")
        self.url = url.rstrip("/")
        self.patience_seconds = patience_seconds
        timeout = httpx.Timeout(READ_TIMEOUT_SECONDS, connect=5.0)
        self._http = httpx.Client(base_url=self.url, timeout=timeout, transport=transport)

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def json(self, method: str, path: str, *, repeatable: bool | None = None, **options: Any) -> Any:
        """The decoded answer of a request; None where it is empty."""
        answer = self.send(method, path, repeatable=repeatable, **options)
        return answer.json() if answer.content else None

    def send(
        self,
        method: str,
        path: str,
        *,
        repeatable: bool | None = None,
        patience_seconds: float | None = None,
        **options: Any,
    ) -> httpx.Response:
        """The answer of a request, 304 included. `repeatable`: sending it twice does no harm (default: it is a GET)."""
        repeatable = method == "GET" if repeatable is None else repeatable
        patience = self.patience_seconds if patience_seconds is None else patience_seconds
        for pause in _pauses(patience):
            try:
                answer = self._http.request(method, path, **options)
            except httpx.HTTPError as error:
                if pause is None or not (repeatable or _never_sent(error)):
                    raise self._unreachable(error) from error
            except httpx.InvalidURL as error:
                raise ValueError(f"{self.url!r} is no address of a service: {error}") from None
            else:
                if answer.status_code not in BUSY or pause is None or not repeatable:
                    return _checked(answer)
                pause = max(pause, min(_retry_after(answer), patience))
            time.sleep(pause)
        raise AssertionError("the last pause is None")

    @contextmanager
    def stream(self, path: str, headers: Mapping[str, str]) -> Iterator[httpx.Response]:
        """An answer whose body is read bit by bit; a break while reading is raised as Unreachable."""
        try:
            with self._http.stream("GET", path, headers=headers) as answer:
                if answer.status_code >= 400 and answer.status_code != 416:
                    answer.read()
                    _checked(answer)
                yield answer
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error

    def _unreachable(self, error: Exception) -> Unreachable:
        what = str(error) or type(error).__name__
        return Unreachable(f"no Retort service answers at {self.url} ({what}). `retort up` starts one")


def _pauses(patience_seconds: float) -> Iterator[float | None]:
    """Seconds to sleep after each failed try, doubling; None once patience is over."""
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
    if answer.status_code < 400:
        return answer
    try:
        body = answer.json()
    except ValueError:
        body = None
    raise problem_of(answer.status_code, body)
