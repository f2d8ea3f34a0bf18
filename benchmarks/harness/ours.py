"""The engine as a variant: a job as a client would write it, prepared and assembled by the engine's own functions."""

import time
from pathlib import Path
from typing import Any

from benchmarks.harness.pacing import Channel, Pacer
from benchmarks.harness.request import Request

# Never reached: the parent stops the loop. With so many epochs no validation falls into a block; the peers' loops are
# timed without theirs as well.
EPOCHS = 100_000
# 500 of the 50,000 images. The peers hold out none.
VALIDATION_FRACTION = 0.01
# A stored pass is filled for so many images of a class (1,500 of CIFAR-100), or filling would outlast the race.
STORED_PER_CLASS = 16


def job(request: Request) -> dict[str, Any]:
    """The job of a request, in the vocabulary of core.spec."""
    work, inputs = request.work, request.inputs
    dataset: dict[str, Any] = {"uri": inputs.dataset(work).as_uri(), "validation_fraction": VALIDATION_FRACTION}
    training: dict[str, Any] = {
        "batch_size": work.batch_size,
        "epochs": EPOCHS,
        "optimizer": "sgd",  # the peers'
        "schedule": "constant",
        "teacher_pass": request.variant,
    }
    if request.variant == "stored":
        training["stored_views"] = request.views
        if work.images == "cifar":
            dataset["max_per_class"] = STORED_PER_CLASS
    return {
        "teacher": {
            "architecture": work.teacher,
            "weights": inputs.checkpoint(work.teacher).as_uri(),
            "classes": inputs.classes(work),
        },
        "dataset": dataset,
        "student": work.student,
        "method": work.method,
        "training": training,
    }


def run(request: Request, channel: Channel) -> None:
    """Train until the channel says stop. A stored teacher pass is filled before the first step."""
    import torch
    import torch.export._trace  # what core.process.standby.LATE has of all that comes before the first step

    from benchmarks.engine import fill_stored_pass, make_trainer, prepare_job, set_up
    from core.networks.libraries import library
    from core.policy import Policy
    from core.spec import parse_job
    from core.system.workspace import Workspace

    library(request.work.teacher.partition("/")[0])
    # From here on an engine that had waited with everything loaded would do the same (core.process.standby).
    loaded_at = time.time()
    spec = parse_job(job(request))
    scratch = Path(request.scratch)
    out = scratch / f"{request.work_name}-{request.variant}".replace("/", "-")
    out.mkdir(parents=True, exist_ok=True)
    workspace = Workspace(out, scratch / "cache", None, Policy(num_threads=request.threads))
    set_up(workspace)
    pacer = Pacer(channel, synchronize=torch.cuda.synchronize if torch.cuda.is_available() else lambda: None)
    prepared = prepare_job(spec, workspace)
    trainer = make_trainer(prepared, lambda trainer: pacer.step_done())
    pacer.note(loaded_at=loaded_at, threads=torch.get_num_threads(), precision=prepared.arithmetic.precision)
    began = time.perf_counter()
    if fill_stored_pass(trainer):
        pacer.note(fill_seconds=time.perf_counter() - began)
    trainer.run()
