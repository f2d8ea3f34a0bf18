"""Runs one job as a process: signals, end of the parent process, output of events, exit status."""

import argparse
import json
import os
import select
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

from core.errors import Category, DeviceFailed, OutOfMemory, RetortError, SpecInvalid, from_exception
from core.events import (
    EXIT_INFRASTRUCTURE,
    EXIT_INTERNAL,
    EXIT_INTERRUPTED,
    EXIT_OK,
    EXIT_USAGE,
    EXIT_USER_ERROR,
    Event,
    Failure,
)
from core.policy import Policy
from core.process.launch import launch
from core.process.reporter import reporter, tell_failure
from core.spec import JobSpec
from core.spec.devices import num_processes
from core.specialize import specialize
from core.system.device_failure import is_device_failure
from core.system.distributed import ALONE, FirstFailed, Ranks
from core.system.interruption import Interrupted, JobControl
from core.system.memory import is_out_of_memory
from core.system.no_network import forbid_network
from core.system.process import set_up_process
from core.system.workspace import Workspace

_STATUS: dict[Category, int] = {
    "user": EXIT_USER_ERROR,
    "infrastructure": EXIT_INFRASTRUCTURE,
    "internal": EXIT_INTERNAL,
}


def run(spec: JobSpec, options: argparse.Namespace) -> int:
    """Run the job of the command line, in as many processes as it requests; returns the exit status."""
    try:
        options.secrets = _take_secrets(options.secrets)
    except SpecInvalid as error:
        tell_failure(error, options.events)
        return EXIT_USAGE
    if options.parent_pipe is not None:
        _end_with_parent(options.parent_pipe, options.parent_seconds)
    if options.plan or (num_processes(spec.training.devices) == 1 and options.hosts == 1):
        return run_rank(spec, options, ALONE)
    try:
        return launch(run_rank, spec, options)
    except SpecInvalid as error:
        tell_failure(error, options.events)
        return _STATUS[error.category]


def _take_secrets(path: Path | None) -> dict[str, str]:
    """The secrets of the file of --secrets, which is removed: they stay in memory alone. Raises SpecInvalid, which does
    not quote the file."""
    if path is None:
        return {}
    try:
        secrets = json.loads(path.read_bytes())
        path.unlink()
    except OSError as error:
        raise SpecInvalid([("", f"--secrets {path}: {error.strerror}")]) from None
    except ValueError:
        secrets = None
    if not isinstance(secrets, dict) or not all(isinstance(value, str) for value in secrets.values()):
        raise SpecInvalid([("", f"--secrets {path}: a JSON object of texts is needed")])
    return secrets


def run_rank(spec: JobSpec, options: argparse.Namespace, ranks: Ranks) -> int:
    """Run the job, or the part of one process; returns the exit status."""
    control = JobControl.of(spec.training, options.started)
    control.begin_with(options.spent_seconds)
    try:
        workspace = _workspace(options, ranks)
    except SpecInvalid as error:
        tell_failure(error, options.events)
        return EXIT_USAGE
    set_up_process(workspace.policy.num_threads, num_processes(spec.training.devices) if ranks.size > 1 else 1)
    with reporter(options.events) if ranks.is_first else nullcontext(_say_nothing) as report:
        try:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: control.interrupt())
            specialize(
                spec,
                workspace,
                report,
                control=control,
                resume=options.resume,
                plan_only=options.plan,
                on_inputs=None if options.parent_pipe is None else _leave_network(workspace),
            )
        except Interrupted:
            return EXIT_INTERRUPTED
        except FirstFailed as error:
            if ranks.local_rank == 0:  # on another host, which does not see the output of the first process
                print(error, file=sys.stderr)
            return EXIT_INTERNAL
        except Exception as error:
            failure = as_retort_error(error)
            if failure.category == "internal":
                traceback.print_exc()
            report(Failure.of(failure))
            return _STATUS[failure.category]
    return EXIT_OK


def _leave_network(workspace: Workspace) -> Callable[[], str | None] | None:
    """Takes the network from this process; None where the operator leaves it, and for several processes, which talk
    over it."""
    if workspace.policy.network_after_inputs or workspace.ranks.size > 1:
        return None

    def leave() -> str | None:
        reason = forbid_network()
        return reason and f"the engine keeps the network after its inputs are there ({reason})"

    return leave


def _say_nothing(event: Event) -> None:
    """Drops the events of the other processes, because the first one reports for all."""


def _workspace(options: argparse.Namespace, ranks: Ranks) -> Workspace:
    """The folders and limits of the flags; raises SpecInvalid for a flag with an unusable value."""
    policy = Policy()
    if options.policy is not None:
        try:
            policy = Policy.model_validate_json(options.policy.read_bytes())
        except (OSError, ValueError) as error:
            raise SpecInvalid([("", f"--policy {options.policy}: {error}")]) from None
    try:
        options.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SpecInvalid([("", f"--out {options.out}: {error}")]) from None
    return Workspace(
        options.out, options.cache or options.out / "cache", options.inputs, policy, ranks, options.secrets
    )


def as_retort_error(error: Exception) -> RetortError:
    """The error of core.errors for any exception of a run: OUT_OF_MEMORY if torch or the host is out of memory,
    DEVICE_FAILED if a GPU does not work.
    """
    if not isinstance(error, RetortError) and is_out_of_memory(error):
        return OutOfMemory(
            f"out of memory: {str(error).splitlines()[0] if str(error) else 'the host has no more'}",
            hint="lower training.batch_size or training.image_size, or choose a smaller student",
        )
    if not isinstance(error, RetortError) and is_device_failure(error):
        return DeviceFailed(
            f"a GPU of the worker does not work: {str(error).splitlines()[0]}", hint="look at the worker's host"
        )
    return from_exception(error)


def _end_with_parent(descriptor: int, seconds: float | None) -> None:
    """Exit at once when the other end of the pipe closes, or brings no byte for `seconds`: then the worker has died or
    stands still, nothing reads the events, and another worker may have the job.
    """

    def wait() -> None:
        while select.select([descriptor], [], [], seconds)[0] and os.read(descriptor, 4096):
            pass
        os._exit(EXIT_INTERRUPTED)

    threading.Thread(target=wait, name="parent-watch", daemon=True).start()
