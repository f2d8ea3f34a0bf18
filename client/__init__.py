"""Python client of a Retort service: `Retort` speaks HTTP, `Job` is a handle on one job, the errors are one tree."""

from client.errors import (
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
from client.job import Job
from client.retort import Retort
from client.sse import Event

__all__ = [
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
