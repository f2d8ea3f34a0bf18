"""An engine that has loaded everything waits for its one job: `python -m core wait`.

Standard input carries a line {"folder": ..., "arguments": [...]}; from there on the process is what `python -m core
ARGUMENTS` would be, started in that folder with the same environment. An empty line on standard output says that
loading is over. When standard input ends before a line came, whoever would have written it is gone, and so is this.
"""

import contextlib
import importlib
import json
import os
import sys
import threading
import traceback

from core.events import EXIT_INTERNAL, EXIT_OK

# A job that runs meanwhile is more urgent than the one that may come.
NICENESS = 15
# What is imported when it is needed: libraries of networks, and what torch.onnx.export takes at the end of a job.
# Nearly three seconds of the time that a short one takes.
LATE = (
    "core.networks.torchvision_zoo",
    "core.networks.timm_zoo",
    "torch.export._trace",
    "torch.onnx._internal.exporter._compat",
    "onnxscript.function_libs.torch_lib.ops",
)


def wait_for_job() -> list[str]:
    """The arguments of the job, once it came and all that it needs is loaded; ends the process where none comes."""
    import numpy  # noqa: F401  # here, for its pool of threads has the priority of the thread that imports it

    loading = threading.Thread(target=_load, name="loading", daemon=True)
    loading.start()
    line = sys.stdin.buffer.readline()
    if not line.endswith(b"\n"):
        os._exit(EXIT_OK)  # at once: an import under way cannot be interrupted
    loading.join()
    order = json.loads(line)
    os.chdir(order["folder"])
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), sys.stdin.fileno())
    return order["arguments"]


def _load() -> None:
    """Import what a job needs, at low priority, and say so.

    On a thread of its own, for two reasons: the end of standard input is seen meanwhile; and on Linux niceness belongs
    to a thread and cannot be taken back without privileges, but the job on the main thread must not inherit it.
    """
    try:
        if sys.platform == "linux":
            os.nice(NICENESS)
        import core.process.run  # noqa: F401

        for name in LATE:
            with contextlib.suppress(ImportError):  # another version of torch: then the job pays for it
                importlib.import_module(name)
        print(flush=True)
    except BaseException:
        traceback.print_exc()
        os._exit(EXIT_INTERNAL)
