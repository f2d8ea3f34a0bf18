"""One hostile request as it goes over the wire, and which answers are harmless."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

# Stand for what the running service has: an API key of an administrator, a job that has ended, a free job.
KEY, JOB = b"<KEY>", b"<JOB>"
CLOSED = 0  # ended without an answer
MANY = 10_000  # repetitions of what has no end

Pieces = Callable[[], Iterator[bytes]]


@dataclass(frozen=True)
class Hostile:
    """`pieces` are sent with `pause` seconds between them; a client of one piece waits for the end of the answer.

    `statuses`: the first answer's must be one of these; `answers`: at most so many come; `seconds`: it ends by then.
    """

    name: str
    pieces: Pieces
    statuses: frozenset[int]
    pause: float = 0.0
    answers: int = 1
    seconds: float = 8.0


def raw(name: str, data: bytes, *statuses: int, answers: int = 1, seconds: float = 8.0) -> Hostile:
    """Bytes as they are."""
    return Hostile(name, lambda: iter([data]), frozenset(statuses), answers=answers, seconds=seconds)


def endless(
    name: str, start: bytes, piece: bytes, *statuses: int, pause: float = 0.0, seconds: float = 8.0, answers: int = 1
) -> Hostile:
    """A start, and then the same piece for ever."""

    def pieces() -> Iterator[bytes]:
        yield start
        for _ in range(MANY):
            yield piece

    return Hostile(name, pieces, frozenset(statuses), pause, answers, seconds)


def head(method: str, path: str, *fields: str, key: bool = True, host: str | None = "127.0.0.1") -> bytes:
    """A head without its last line."""
    lines = [f"{method} {path} HTTP/1.1", *([f"Host: {host}"] if host is not None else [])]
    lines += ["Authorization: Bearer <KEY>"] if key else []
    return "".join(f"{line}\r\n" for line in [*lines, *fields]).encode("utf-8", "surrogateescape")


def ask(
    name: str, method: str, path: str, *fields: str, statuses: tuple[int, ...], body: bytes | None = None,
    key: bool = True, host: str | None = "127.0.0.1",
) -> Hostile:  # fmt: skip
    """A request that is whole; with `body` also its length."""
    length = () if body is None else (f"Content-Length: {len(body)}",)
    data = head(method, path, *fields, *length, "Connection: close", key=key, host=host) + b"\r\n" + (body or b"")
    return raw(name, data, *statuses)


def post(name: str, body: bytes, *statuses: int, path: str = "/v1/jobs", fields: tuple[str, ...] = ()) -> Hostile:
    """A POST of a JSON body."""
    given = (
        fields
        if any(one.lower().startswith("content-type") for one in fields)
        else ("Content-Type: application/json", *fields)
    )
    return ask(name, "POST", path, *given, statuses=statuses, body=body)
