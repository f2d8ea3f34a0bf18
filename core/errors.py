"""The errors of a job, as one tree. Each leaf has a stable `code`, which is part of the interface.

RetortError
├── UserError                  the job as written cannot run; the same job will fail again
│   ├── SpecInvalid            SPEC_INVALID
│   ├── ArchitectureUnknown    ARCHITECTURE_UNKNOWN
│   ├── DatasetUnreachable     DATASET_UNREACHABLE
│   ├── DatasetInvalid         DATASET_INVALID
│   ├── ClassTooSmall          CLASS_TOO_SMALL
│   ├── LabelSpaceMismatch     LABEL_SPACE_MISMATCH
│   ├── TeacherLoadFailed      TEACHER_LOAD_FAILED
│   ├── BudgetInfeasible       BUDGET_INFEASIBLE
│   ├── LossDiverged           LOSS_DIVERGED
│   └── DeadlineExceeded       DEADLINE_EXCEEDED
├── InfrastructureError        the machine or a service failed; the same job may succeed elsewhere
│   ├── OutOfMemory            OUT_OF_MEMORY
│   ├── DiskFull               DISK_FULL
│   ├── DeviceFailed           DEVICE_FAILED
│   ├── HostFault              HOST_FAULT
│   ├── EngineCrashed          ENGINE_CRASHED
│   ├── EngineHung             ENGINE_HUNG
│   └── WorkerLost             WORKER_LOST
└── InternalError              INTERNAL; a defect of ours
    └── ExportParityFailed     EXPORT_PARITY_FAILED
"""

import difflib
import errno
from collections.abc import Iterable
from typing import ClassVar, Literal

MOST_LISTED = 8  # wrong values that one message lists
FULL_DISK = (errno.ENOSPC, errno.EDQUOT)
# No descriptors, no memory for a process; a disk that fails, or that the system made read-only because it failed.
HOST_FAULTS = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO, errno.EROFS)
NO_THREAD = "can't start new thread"
# What libraries say of a full disk without its errno: Rust (safetensors), SQLite, PostgreSQL, NumPy.
FULL_DISK_TEXTS = (
    "No space left on device",
    "Disk quota exceeded",
    "database or disk is full",
    "could not extend file",
    "Not enough free space to write",
)
Category = Literal["user", "infrastructure", "internal"]


class RetortError(Exception):
    """Any expected failure of a job: `message` names the value and the place, `hint` says what to do next."""

    code: ClassVar[str] = "INTERNAL"
    category: ClassVar[Category] = "internal"

    def __init__(self, message: str, *, hint: str = "", pointer: str = "") -> None:
        """`pointer` is the JSON pointer (RFC 6901) of the wrong field of the spec, if there is one."""
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.pointer = pointer


class UserError(RetortError):
    """The job as written cannot run."""

    category = "user"


class InfrastructureError(RetortError):
    """The machine or a service that the job needed failed."""

    category = "infrastructure"


class InternalError(RetortError):
    """A defect of Retort."""


class SpecInvalid(UserError):
    """The spec does not fit the schema; `errors` lists every place as (JSON pointer, what is wrong)."""

    code = "SPEC_INVALID"

    def __init__(self, errors: list[tuple[str, str]]) -> None:
        self.errors = errors
        listed = "; ".join(f"{pointer or '/'}: {detail}" for pointer, detail in errors[:MOST_LISTED])
        more = f"; and {len(errors) - MOST_LISTED} more" if len(errors) > MOST_LISTED else ""
        super().__init__(listed + more, pointer=errors[0][0])


class ArchitectureUnknown(UserError):
    """No network has this name."""

    code = "ARCHITECTURE_UNKNOWN"


class DatasetUnreachable(UserError):
    """The dataset's URI could not be read."""

    code = "DATASET_UNREACHABLE"


class DatasetInvalid(UserError):
    """The dataset was read and cannot be used as it is."""

    code = "DATASET_INVALID"


class ClassTooSmall(UserError):
    """A class has too few images to be split."""

    code = "CLASS_TOO_SMALL"


class LabelSpaceMismatch(UserError):
    """The chosen classes do not exist in the dataset or among the teacher's classes."""

    code = "LABEL_SPACE_MISMATCH"


class TeacherLoadFailed(UserError):
    """The teacher's weights cannot be read, do not fit the architecture, or score at chance level."""

    code = "TEACHER_LOAD_FAILED"


class BudgetInfeasible(UserError):
    """No architecture fits the budget; the message names the smallest that exists."""

    code = "BUDGET_INFEASIBLE"


class LossDiverged(UserError):
    """The training loss became NaN or infinite; the message names the step."""

    code = "LOSS_DIVERGED"


class DeadlineExceeded(UserError):
    """The job ran longer than its `training.max_runtime_seconds`."""

    code = "DEADLINE_EXCEEDED"


class OutOfMemory(InfrastructureError):
    """The device or the host ran out of memory."""

    code = "OUT_OF_MEMORY"


class DiskFull(InfrastructureError):
    """No space was left where the engine writes."""

    code = "DISK_FULL"


class DeviceFailed(InfrastructureError):
    """A GPU of the host does not work: it is lost, busy, or its driver is missing or too old."""

    code = "DEVICE_FAILED"


class HostFault(InfrastructureError):
    """The host of a worker lacks what every job needs, such as file descriptors, or memory to start an engine."""

    code = "HOST_FAULT"


class EngineCrashed(InfrastructureError):
    """A signal such as SIGSEGV or SIGKILL ended the engine, several times in a row without a new checkpoint."""

    code = "ENGINE_CRASHED"


class EngineHung(InfrastructureError):
    """The engine reported nothing for too long and was ended, several times in a row without a new checkpoint."""

    code = "ENGINE_HUNG"


class WorkerLost(InfrastructureError):
    """The workers that ran the job went silent many times without a new checkpoint."""

    code = "WORKER_LOST"


class ExportParityFailed(InternalError):
    """An exported model's outputs differ from the trained network's; the artifact was refused."""

    code = "EXPORT_PARITY_FAILED"


def from_exception(error: Exception) -> RetortError:
    """The error of this tree for any exception: itself, DISK_FULL if no space was left, HOST_FAULT if the system
    refused what every program needs, INTERNAL for all others.
    """
    if isinstance(error, RetortError):
        return error
    if means_full_disk(error):
        name = getattr(error, "filename", None) or "a file"
        return DiskFull(f"no space left writing {name}", hint="free space on the worker's disk; the job goes on then")
    if means_host_fault(error):
        return HostFault(f"the worker's host refused what a job needs: {error}", hint="look at the worker's host")
    if isinstance(error, OSError) and error.errno == errno.EFBIG:
        return DatasetInvalid(
            f"{error.filename or 'a file'} would grow beyond the largest file that the operator allows an engine",
            hint="raise RETORT_MAX_EXTRACTED_BYTES, or give a smaller dataset",
        )
    return InternalError(
        f"{type(error).__name__}: {error}", hint="this is a defect of Retort; the log has the traceback"
    )


def means_full_disk(error: BaseException) -> bool:
    """Whether an exception, or one that it was raised from or while handling, says that a disk or a quota is full."""
    return any(
        (isinstance(one, OSError) and one.errno in FULL_DISK)
        or (not isinstance(one, RetortError) and any(text in str(one) for text in FULL_DISK_TEXTS))
        for one in _chain(error)
    )


def means_host_fault(error: BaseException) -> bool:
    """Whether an exception, or one that it was raised from or while handling, says that the system has no descriptors,
    processes, threads or memory left for any program, or that its disk fails."""
    return any(
        (isinstance(one, OSError) and one.errno in HOST_FAULTS)
        or (isinstance(one, RuntimeError) and NO_THREAD in str(one))
        for one in _chain(error)
    )


def _chain(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    at: BaseException | None = error
    while at is not None and not any(at is one for one in found):
        found.append(at)
        at = at.__cause__ or at.__context__
    return found


def near_misses(value: str, allowed: Iterable[str], most: int = 3) -> list[str]:
    """The allowed values that are most similar to `value`, best first."""
    names = list(allowed)
    folded = {name.lower(): name for name in names}
    close = difflib.get_close_matches(value.lower(), folded, n=most, cutoff=0.5)
    return [folded[name] for name in close]


def unknown(kind: str, value: str, allowed: Iterable[str], most_listed: int = 12) -> str:
    """One sentence about a name that is not allowed: the name, similar allowed names, and all allowed names if they are
    few.
    """
    names = list(allowed)
    close = near_misses(value, names)
    guess = f" Did you mean {' or '.join(repr(name) for name in close)}?" if close else ""
    listed = f" Allowed: {', '.join(names)}." if len(names) <= most_listed else ""
    return f"unknown {kind} {value!r}.{guess}{listed}"
