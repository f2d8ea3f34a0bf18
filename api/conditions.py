"""Conditional requests (RFC 9110 section 13) and the `Prefer: wait=N` of RFC 7240."""

import re

_TAG = re.compile(r'(?:W/)?"[^"]*"|\*')
_WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*\"?(\d{1,9})", re.IGNORECASE)


def matches(header: str | None, etag: str) -> bool:
    """Whether If-None-Match names `etag` (weak comparison, as the RFC has it for this header)."""
    tags = _TAG.findall(header or "")
    return "*" in tags or etag in (tag.removeprefix("W/") for tag in tags)


def wait_seconds(header: str | None, most: float) -> float | None:
    """What `Prefer: wait=N` asks for, at most `most` seconds; None where it does not ask."""
    match = _WAIT.search(header or "")
    return min(float(match[1]), most) if match else None


def applied(seconds: float | None) -> dict[str, str]:
    """The header that says which preference was honoured."""
    return {} if seconds is None else {"Preference-Applied": f"wait={seconds:.0f}"}
