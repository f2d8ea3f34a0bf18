"""Conditional requests (RFC 9110 section 13) and the `Prefer: wait=N` of RFC 7240."""

import re

_TAG = re.compile(r'(?:W/)?"[^"]*"|\*')
_WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*\"?(\d{1,9})", re.IGNORECASE)


def matches(header: str | None, etag: str) -> bool:
    """Whether If-None-Match names `etag` (weak comparison, as the RFC has it for this header)."""
    tags = _TAG.findall(header or "")
    return "*" in tags or etag in (tag.removeprefix("W/") for tag in tags)


def versions(header: str | None) -> frozenset[int] | None:
    """The versions of a job that an If-Match allows; None where it allows any, as `*` and a missing header do.

    A job's ETag begins with its version. What follows covers the place in the queue too, which others change.
    """
    tags = _TAG.findall(header or "")
    if header is None or "*" in tags:
        return None
    numbers = (tag.strip('"').partition("-")[0] for tag in tags if tag.startswith('"'))  # never a weak one
    return frozenset(int(number) for number in numbers if number.isdecimal() and len(number) < 19)


def wait_seconds(header: str | None, most: float) -> float | None:
    """What `Prefer: wait=N` asks for, at most `most` seconds; None where it does not ask."""
    match = _WAIT.search(header or "")
    return min(float(match[1]), most) if match else None


def applied(seconds: float | None) -> dict[str, str]:
    """The header that says which preference was honoured."""
    return {} if seconds is None else {"Preference-Applied": f"wait={seconds:.0f}"}
