"""The codes of the warnings that a worker gives a job. They are stable; `MEANINGS` is what the docs print."""

from store.values import CheckpointRef, JobWarning

CHECKPOINT_DAMAGED = "CHECKPOINT_DAMAGED"

MEANINGS: dict[str, str] = {
    CHECKPOINT_DAMAGED: "The stored bytes of a checkpoint were not those that the engine wrote. The job went on from "
    "the checkpoint before it, or began anew.",
}


def checkpoint_damaged(checkpoint: CheckpointRef) -> JobWarning:
    """The warning that a checkpoint is given up."""
    return JobWarning(
        code=CHECKPOINT_DAMAGED,
        message=f"the stored checkpoint of step {checkpoint.step} is damaged; the job goes on from the one before it, "
        "or begins anew where there is none",
        hint="check the disk of the database",
    )
