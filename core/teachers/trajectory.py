"""A teacher's own checkpoints, in the order of its training."""

from collections.abc import Callable, Mapping
from pathlib import Path

from torch import Tensor

from core.errors import TeacherLoadFailed
from core.networks.fit import fit
from core.networks.teacher import Teacher, fetch_weights
from core.networks.weights import read_weights
from core.policy import Policy
from core.spec import TeacherSpec
from core.system.workspace import Workspace

POINTER = "/teacher/trajectory"
PATTERN = "trajectory-*.safetensors"


def trajectory_name(number: int) -> str:
    """The file of a checkpoint, counted from 1."""
    return f"trajectory-{number:04d}.safetensors"


def load_trajectory(
    spec: TeacherSpec, teacher: Teacher, workspace: Workspace
) -> tuple[Callable[[], Mapping[str, Tensor]], ...]:
    """One function a checkpoint that reads its state dict, the finished teacher's last.

    Raises TeacherLoadFailed where there are none, or where one does not fit the teacher.
    """
    paths = _listed(spec, workspace) if spec.trajectory is not None else _kept(spec, workspace)
    for path in paths:
        fit(teacher.network, _read(path, workspace.policy), strict_head=True, source=path.name, pointer=POINTER)
    final = {name: value.detach().cpu().clone() for name, value in teacher.network.module.state_dict().items()}
    return (*((lambda path=path: _read(path, workspace.policy)) for path in paths), lambda: final)


def _listed(spec: TeacherSpec, workspace: Workspace) -> list[Path]:
    return [
        fetch_weights(uri, workspace, pointer=f"{POINTER}/{number}") for number, uri in enumerate(spec.trajectory or ())
    ]


def _kept(spec: TeacherSpec, workspace: Workspace) -> list[Path]:
    """What the job that trained the teacher kept. Its last checkpoint is the finished teacher itself."""
    job_id = (spec.weights or "").removeprefix("job:")
    paths = sorted((workspace.inputs / job_id).glob(PATTERN)) if workspace.inputs is not None else []
    if not paths:
        raise TeacherLoadFailed(
            f"{spec.weights} kept no checkpoints of its training",
            hint="train the teacher with training.keep_trajectory, or list its checkpoints in teacher.trajectory",
            pointer="/teacher",
        )
    return paths[:-1] or paths


def _read(path: Path, policy: Policy) -> Mapping[str, Tensor]:
    return read_weights(path, policy=policy, pointer=POINTER)[0]
