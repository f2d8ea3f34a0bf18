"""Requests in a minute for each caller: a token bucket, and the header fields that tell of it.

The fields are those of the IETF draft "RateLimit header fields for HTTP" (draft-ietf-httpapi-ratelimit-headers-10).
"""

import math
import time
from dataclasses import dataclass

WINDOW_SECONDS = 60
# Callers that are remembered at once; beyond it those whose bucket is full are forgotten.
MAX_BUCKETS = 10_000


@dataclass
class _Bucket:
    tokens: float
    at: float


@dataclass(frozen=True)
class Allowance:
    """What is left for a caller after a request; `retry_seconds` is 0 where the request was within the limit."""

    limit: int
    remaining: int
    full_seconds: int  # until the whole limit is there again
    retry_seconds: int

    def headers(self) -> dict[str, str]:
        """RateLimit-Policy and RateLimit, and Retry-After where the caller has to wait."""
        fields = {
            "RateLimit-Policy": f'"requests";q={self.limit};w={WINDOW_SECONDS}',
            "RateLimit": f'"requests";r={self.remaining};t={self.full_seconds}',
        }
        return fields | ({"Retry-After": str(self.retry_seconds)} if self.retry_seconds else {})


class RateLimiter:
    """Counts the requests of one process; belongs to one event loop."""

    def __init__(self) -> None:
        self._buckets: dict[str, _Bucket] = {}

    def take(self, who: str, limit: int) -> Allowance:
        """Count one request of `who`, who may send `limit` in a minute and as many at once."""
        now = time.monotonic()
        bucket = self._buckets.setdefault(who, _Bucket(float(limit), now))
        rate = limit / WINDOW_SECONDS
        bucket.tokens = min(float(limit), bucket.tokens + (now - bucket.at) * rate)
        bucket.at = now
        granted = bucket.tokens >= 1.0
        if granted:
            bucket.tokens -= 1.0
        self._forget()
        retry = 0 if granted else math.ceil((1.0 - bucket.tokens) / rate)
        return Allowance(limit, int(bucket.tokens), math.ceil((limit - bucket.tokens) / rate), retry)

    def _forget(self) -> None:
        if len(self._buckets) > MAX_BUCKETS:
            old = time.monotonic() - WINDOW_SECONDS  # by now full again
            self._buckets = {who: bucket for who, bucket in self._buckets.items() if bucket.at > old}
