"""A waiting engine (`python -m core wait`): it has loaded everything and waits for its one job.

It reads one line {"folder": ..., "arguments": [...]} from standard input. From then on the process behaves as `python
-m core ARGUMENTS`, started in that folder with the same environment. It writes an empty line to standard output when
loading is over. If standard input ends before a line arrived, the process that started it has ended, and it ends too.
"""

import contextlib
import importlib
import json
import os
import sys
import threading
import traceback

from core.events import EXIT_INTERNAL, EXIT_OK

# A job that is running now is more urgent than one that may come.
NICENESS = 15
# Modules that are imported when they are needed: libraries of networks, and those of torch.onnx.export at the end of a
# job. Importing them takes nearly three seconds.
LATE = (
    "core.networks.torchvision_zoo",
    "core.networks.timm_zoo",
    "torch.export._trace",
    "torch.onnx._internal.exporter._compat",
    "onnxscript.function_libs.torch_lib.ops",
)


def wait_for_job() -> list[str]:
    """The arguments of the job, after it has arrived and everything is loaded; ends the process if no job arrives."""
    import numpy  # noqa: F401  # here, for its pool of threads has the priority of the thread that imports it

    loading = threading.Thread(target=_load, name="loading", daemon=True)
    loading.start()
    line = sys.stdin.buffer.readline()
    if not line.endswith(b"\n"):
        os._exit(EXIT_OK)  # at once, because a running import cannot be interrupted
    loading.join()
    order = json.loads(line)
    os.chdir(order["folder"])
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), sys.stdin.fileno())
    return order["arguments"]


def _load() -> None:
    """Import what a job needs, at low priority, and report when that is done.

    It runs on a thread of its own, for two reasons: the end of standard input is noticed meanwhile; and on Linux a
    thread's low priority cannot be raised again without privileges, but the job on the main thread must not have it.
    """
    try:
        if sys.platform == "linux":
            os.nice(NICENESS)
        import core.process.run  # noqa: F401

        for name in LATE:
            with contextlib.suppress(
                ImportError
            ):  # missing in another version of torch: then the job imports it itself
                importlib.import_module(name)
        print(flush=True)
    except BaseException:
        traceback.print_exc()
        os._exit(EXIT_INTERNAL)
