"""Python client of a Retort service.

`Retort` is the blocking client and `Job` its handle on one job; `AsyncRetort` and `AsyncJob` are the same for asyncio
and trio. The errors form one tree, drawn in `retort.errors`; `retort.models` has the types of the service's JSON.
"""

from retort.errors import (
    DownloadCorrupt,
    Invalid,
    JobCancelled,
    JobFailed,
    Problem,
    Refused,
    RetortError,
    ServerFailed,
    Unreachable,
    WaitTimeout,
)
from retort.job import AsyncJob
from retort.service import AsyncRetort
from retort.sse import Event
from retort.sync import Job, Retort

__all__ = [
    "AsyncJob",
    "AsyncRetort",
    "DownloadCorrupt",
    "Event",
    "Invalid",
    "Job",
    "JobCancelled",
    "JobFailed",
    "Problem",
    "Refused",
    "Retort",
    "RetortError",
    "ServerFailed",
    "Unreachable",
    "WaitTimeout",
]
