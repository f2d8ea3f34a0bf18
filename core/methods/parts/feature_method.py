"""Methods that compare feature maps pair by pair: L = a CE(z_s, y) + b sum_l D_l(s_l, sg[t_l]) over taps l.

A tap pairs a map of the teacher, t_l (N, D_l, H', W'), with the student's map s_l (N, C_l, H, W) whose share of its
input's side is nearest. The teacher's logits are never used, so its classes may be any. A distance that compares the
positions of a map with each other cannot teach where the smaller map has a single position: such a tap is left out,
with a warning, and a job with no other tap is refused.
"""

import math
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from core.events import JobWarning
from core.methods.contract import Batch, MethodContext, Needs
from core.methods.method import Method
from core.methods.parts.idle import idle, refuse
from core.networks.network import Features, Network
from core.networks.taps import TapPoint
from core.system.seeds import seeded


class FeatureMethod(Method):
    """Labels, and the distance of each pair of maps through an adapter. A subclass gives `distance`, and `adapter`
    where the maps cannot be compared as they are; its knobs have `taps`, `weight` and `label_weight`.
    """

    term: ClassVar[str]
    """What the loss term is called."""
    compares_positions = False
    """Whether `distance` is constant for maps of a single position."""
    idle_taps: tuple[str, ...] = ()
    """The teacher's modules whose taps are left out, because their distance would be constant."""

    def __init__(self, knobs: Any, context: MethodContext) -> None:
        super().__init__(knobs, context)
        pairs = self._pairs_that_teach(tap_pairs(self.knobs.taps, context))
        self.needs = Needs(
            teacher_taps=tuple(teacher.path for _, teacher in pairs),
            student_taps=tuple(student.path for student, _ in pairs),
        )
        # A generator of their own, so that adapters change no other random draw.
        with seeded(0, f"{self.knobs.name} adapters"):
            self.adapters = nn.ModuleList(self.adapter(student, teacher) for student, teacher in pairs)

    def _pairs_that_teach(self, pairs: list[tuple[TapPoint, TapPoint]]) -> list[tuple[TapPoint, TapPoint]]:
        if not self.compares_positions:
            return pairs
        kept = [pair for pair in pairs if not _is_single_position(*pair)]
        self.idle_taps = tuple(teacher.path for student, teacher in pairs if _is_single_position(student, teacher))
        if not kept:
            paths = ", ".join(map(repr, self.idle_taps))
            detail = (
                f"at the teacher's {paths} one of the two feature maps has a single position, so nothing is learned"
            )
            refuse("taps", f"{detail}; choose earlier taps, a larger training.image_size, or another method")
        return kept

    def warnings(self) -> tuple[JobWarning, ...]:
        """Which taps are left out, because they could not teach."""
        if not self.idle_taps:
            return ()
        paths = ", ".join(map(repr, self.idle_taps))
        reason = "one of the two feature maps has a single position there; it is left out"
        return (idle(self.knobs.name, f"the distance at the teacher's {paths}", reason),)

    def adapter(self, student: TapPoint, teacher: TapPoint) -> nn.Module:
        """What is learned between the two maps of a tap; it is not deployed."""
        return nn.Identity()

    def distance(self, adapter: nn.Module, student_map: Tensor, teacher_map: Tensor) -> Tensor:
        """A scalar, of one tap's maps as the networks gave them."""
        raise NotImplementedError

    def terms(self, student: Features, batch: Batch) -> dict[str, Tensor]:
        """`label`: a CE; the method's own term: b times the distances, summed over the taps."""
        return {
            "label": self.knobs.label_weight * self.label_loss(student.logits, batch),
            self.term: float(self.knobs.weight) * self.distances(student, batch),
        }

    def distances(self, student: Features, batch: Batch) -> Tensor:
        """The distance summed over the taps."""
        total = torch.zeros((), device=student.logits.device)
        for adapter, student_map, teacher_map in zip(
            self.adapters, student.maps, batch.required_teacher.maps, strict=True
        ):
            total = total + self.distance(adapter, student_map, teacher_map)
        return total


def _is_single_position(student: TapPoint, teacher: TapPoint) -> bool:
    return min(student.height, teacher.height) == min(student.width, teacher.width) == 1


def tap_pairs(taps: str | tuple[str, ...], context: MethodContext) -> list[tuple[TapPoint, TapPoint]]:
    """(student's tap, teacher's tap), shallow to deep: `last`, `middle` (one of each), `all`, or the teacher's modules
    by path. Raises SpecInvalid for a path that the teacher has not.
    """
    teacher = context.required_teacher
    points = teacher.tap_points
    chosen = {"last": points[-1:], "middle": points[(len(points) - 1) // 2 :][:1], "all": points}
    named = chosen[taps] if isinstance(taps, str) else [teacher.tap(path) for path in taps]
    return [(_nearest(point, teacher, context.student), point) for point in named]


def _nearest(point: TapPoint, teacher: Network, student: Network) -> TapPoint:
    """The student's tap for a teacher's: the last for the last, else that whose share of the input size is closest."""
    if point is teacher.tap_points[-1]:
        return student.tap_points[-1]
    share = math.log2(point.height / teacher.input.size)
    return min(student.tap_points, key=lambda candidate: abs(math.log2(candidate.height / student.input.size) - share))
