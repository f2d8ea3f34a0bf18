"""One variant in a process of its own: `python -m benchmarks.harness.child REQUEST`, started by harness.children."""

import importlib
import os
import sys
import traceback

from benchmarks.harness.pacing import Channel, Stopped
from benchmarks.harness.request import Request, Unavailable

MODULES = {
    "textbook": "benchmarks.harness.plain",
    "textbook-tuned": "benchmarks.harness.plain",
    "live": "benchmarks.harness.ours",
    "stored": "benchmarks.harness.ours",
    "peak": "benchmarks.harness.peak",
    "torchdistill": "benchmarks.peers.torchdistill",
    "repdistiller": "benchmarks.peers.repdistiller",
    "simkd": "benchmarks.peers.simkd",
    "mdistiller": "benchmarks.peers.mdistiller",
}


def main() -> None:
    """Run until the parent has had enough; what goes wrong is told to the parent."""
    request = Request.from_json(sys.argv[1])
    # Peers print; the pipe to the parent is for messages alone.
    channel = Channel(sys.stdin, os.fdopen(os.dup(sys.stdout.fileno()), "w"))
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    try:
        importlib.import_module(MODULES[request.variant]).run(request, channel)
        channel.say("failed", reason="the loop ended before it was stopped")
    except Stopped:
        return
    except Exception as error:
        traceback.print_exc()
        channel.say("failed", reason=_reason(error))


def _reason(error: Exception) -> str:
    first = (str(error).strip() or type(error).__name__).splitlines()[0]
    return first if isinstance(error, Unavailable) else f"{type(error).__name__}: {first}"


if __name__ == "__main__":
    main()
