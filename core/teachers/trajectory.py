"""The trajectory of a teacher: checkpoints of its own training, in order."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from torch import Tensor

from core.errors import TeacherLoadFailed
from core.networks.network import Network
from core.networks.teacher import Teacher, fetch_weights
from core.networks.weights.fit import fit
from core.networks.weights.reading import read_weights
from core.policy import Policy
from core.spec import TeacherSpec
from core.spec.teacher import WeightsMap
from core.system.workspace import Workspace

POINTER = "/teacher/trajectory"
PATTERN = "trajectory-*.safetensors"


def trajectory_name(number: int) -> str:
    """The file of a checkpoint, counted from 1."""
    return f"trajectory-{number:04d}.safetensors"


def load_trajectory(
    spec: TeacherSpec, teacher: Teacher, workspace: Workspace
) -> tuple[Callable[[], Mapping[str, Tensor]], ...]:
    """One function for each checkpoint that reads its state dict; the finished teacher's is the last.

    Raises TeacherLoadFailed if there are none, or if one does not fit the teacher.
    """
    paths = _listed(spec, workspace) if spec.trajectory is not None else _kept(spec, workspace)
    checkpoints = tuple(partial(_read, path, workspace.policy, teacher.network, spec.weights_map) for path in paths)
    for read in checkpoints:
        read()  # a checkpoint that does not fit is reported before the training, not during it
    final = {name: value.detach().cpu().clone() for name, value in teacher.network.module.state_dict().items()}
    return (*checkpoints, lambda: final)


def _listed(spec: TeacherSpec, workspace: Workspace) -> list[Path]:
    return [
        fetch_weights(uri, workspace, credentials=spec.credentials, pointer=f"{POINTER}/{number}")
        for number, uri in enumerate(spec.trajectory or ())
    ]


def _kept(spec: TeacherSpec, workspace: Workspace) -> list[Path]:
    """The checkpoints that the job of the teacher kept. Its last checkpoint is the finished teacher."""
    job_id = (spec.weights or "").removeprefix("job:")
    paths = sorted((workspace.inputs / job_id).glob(PATTERN)) if workspace.inputs is not None else []
    if not paths:
        raise TeacherLoadFailed(
            f"{spec.weights} kept no checkpoints of its training",
            hint="train the teacher with training.keep_trajectory, or list its checkpoints in teacher.trajectory",
            pointer="/teacher",
        )
    return paths[:-1] or paths


def _read(path: Path, policy: Policy, network: Network, weights_map: WeightsMap) -> Mapping[str, Tensor]:
    """The state dict under the network's own names; raises TeacherLoadFailed."""
    state, _ = read_weights(path, policy=policy, pointer=POINTER)
    return fit(network, state, source=path.name, pointer=POINTER, weights_map=weights_map).state
