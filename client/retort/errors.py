"""What can go wrong between a client and the service, as one tree. Each leaf has the exit code of the `retort` command.

RetortError                1
├── Invalid                2    the request as written: a wrong field, a wrong option
├── Unreachable            3    nobody answers at the address, or the server fails
├── Refused                4    the service says no: not found, conflict, not allowed
├── JobFailed              1    the job ended as failed
├── JobCancelled           5    the job ended as cancelled
├── DownloadCorrupt        6    the bytes are not those that the service announced
└── WaitTimeout            7    the job was not done in the time given
"""

from typing import Any, ClassVar

from retort.models import JobView


class RetortError(Exception):
    """Any expected failure. `message` says what happened; `hint` says what to do about it, where that is known.

    As text: the message, and the hint on a line of its own.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        self.message = message
        self.hint = hint or None
        super().__init__(f"{message}\nhint: {self.hint}" if self.hint else message)


class Unreachable(RetortError):
    """Nobody answers at the address, or the server failed to answer properly."""

    exit_code = 3


class Problem(RetortError):
    """An answer of the service in problem+json (RFC 9457).

    `status` is the HTTP status, `code` the stable name, `detail` the sentence, `errors` the pairs of JSON pointer and
    detail. As text: the detail with the code, then a line for each pair; nothing is told twice.
    """

    def __init__(
        self, status: int, code: str, detail: str, errors: list[tuple[str, str]], hint: str | None = None
    ) -> None:
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = errors
        places = [f"{pointer or '/'}: {text}" for pointer, text in errors]
        # The service quotes a single error, and the first few of many, in its detail: each is told once.
        if len(places) == 1 and errors[0][1] in detail:
            places = []
        elif any(place in detail for place in places):
            detail = f"{len(places)} errors"
        super().__init__("\n".join([f"{detail} [{code}]", *(f"  {place}" for place in places)]), hint=hint)


class Invalid(Problem):
    """The request as written cannot be accepted (400, 422)."""

    exit_code = 2


class Refused(Problem):
    """The service says no: not found, conflict, gone, not allowed (other 4xx)."""

    exit_code = 4


class ServerFailed(Problem, Unreachable):
    """The service answered with a failure of its own (5xx)."""

    exit_code = 3


class JobEnded(RetortError):
    """A job that was waited for did not succeed; `job` is its last view as the service gave it."""

    def __init__(self, job: JobView, message: str, *, hint: str | None = None) -> None:
        self.job = job
        super().__init__(message, hint=hint)


class JobFailed(JobEnded):
    """The job ended as failed; message, code and hint are the service's."""

    def __init__(self, job: JobView) -> None:
        error = job["error"]
        reason = f"{error['message']} [{error['code']}]" if error else "no reason given [INTERNAL]"
        super().__init__(job, f"{job['id']} failed: {reason}", hint=error["hint"] if error else None)


class JobCancelled(JobEnded):
    """The job ended as cancelled."""

    exit_code = 5

    def __init__(self, job: JobView) -> None:
        super().__init__(job, f"{job['id']} was cancelled")


class DownloadCorrupt(RetortError):
    """The downloaded bytes are not those that the service announced."""

    exit_code = 6


class WaitTimeout(RetortError):
    """The job was not done in the time given; it goes on."""

    exit_code = 7


# For those who run the service themselves nothing is to do: the client finds their key.
KEY_HINT = "set RETORT_API_KEY to an API key of the service; who runs it makes one with `retort keys create`"


def problem_of(status: int, body: Any) -> Problem:
    """The error for an answer with this status; `body` is its decoded JSON, or None where it is none."""
    body = body if isinstance(body, dict) else {}
    code = str(body.get("code", f"HTTP_{status}"))
    # The one 422 that is a conflict: the body is fine, its key belongs to another one.
    wrong = status in (400, 422) and code != "IDEMPOTENCY_CONFLICT"
    kind = ServerFailed if status >= 500 else Invalid if wrong else Refused
    places = [
        (str(item.get("pointer", "")), str(item.get("detail", "")))
        for item in body.get("errors") or []
        if isinstance(item, dict)
    ]
    detail = body.get("detail") or body.get("title") or f"the server answered {status}"
    hint = KEY_HINT if code == "UNAUTHENTICATED" else None
    return kind(status, code, str(detail), places, hint)
