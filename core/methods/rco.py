"""Route constrained optimization (Jin, Peng, Wu, Liu, Liu, Liang, Yan, Hu, ICCV 2019, arXiv 1904.09149): the student
follows checkpoints of the teacher's own training, its anchors, from easy to hard. Only the abstract was at hand:
anchors at equal intervals are the paper's; the greedy rule's form and all weights are our variant.

The loss at an anchor is that of another method with the anchor for its teacher: `kd` on logits, or `skd` (mse of the
last feature maps through an adapter) on features. With one anchor, the finished teacher, it is that method bit for bit.

Of A kept checkpoints 0 .. A-1, the last being the finished teacher, n teach one after the other:
equal interval: floor(A (i + 1) / n) - 1 for i = 0 .. n-1
greedy:         first 0; after anchor c the largest j > c with H_j <= d H_c, else c + 1; the n-th is the last.
                H_j is the loss against checkpoint j over up to 1000 held-out images, labels left out.

One-stage: n parts of the job's epochs within one schedule of the learning rate; the optimizer keeps its momentum. Where
there are fewer epochs than anchors some are passed over, and the last epoch is the finished teacher's (a single epoch
is the first anchor's). Multi-stage: n times the job's epochs, each part with the whole schedule and new optimizers,
going on with the student of the part before.
"""

import copy
import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from core.errors import SpecInvalid
from core.methods.contract import Batch, MethodContext, Needs, Stage, TrainingProgress
from core.methods.kd import Kd
from core.methods.method import Method
from core.methods.parts.logits import filled
from core.methods.skd import Skd
from core.networks.network import Features, Network
from core.networks.trace import undisturbed
from core.spec.knobs.kd import KdKnobs
from core.spec.knobs.rco import RcoKnobs
from core.spec.knobs.skd import SkdKnobs

CHUNK = 100  # held-out images at once


def equal_interval(num_checkpoints: int, num_anchors: int) -> list[int]:
    """Which of the checkpoints teach, rising; the last one always does."""
    return [num_checkpoints * (place + 1) // num_anchors - 1 for place in range(num_anchors)]


def greedy_step(hardness: Sequence[float], *, max_hardness: float) -> int:
    """How many checkpoints to go on, at least 1: `hardness` is of the present one and of those after it."""
    bearable = [place for place in range(1, len(hardness)) if hardness[place] <= max_hardness * hardness[0]]
    return max(bearable, default=1)


def part_of(epoch: int, fraction: float, num_parts: int) -> int:
    """Which of the parts an epoch belongs to, as it begins with `fraction` of all steps done: as equal parts as can be,
    the last epoch in the last."""
    if epoch == 0:
        return 0
    num_epochs = math.ceil(epoch / fraction - 1e-6)
    return math.ceil((epoch + 1) * num_parts / num_epochs - 1e-6) - 1


class Rco(Method):
    """Another method's terms, with one checkpoint of the teacher after the other for its teacher."""

    needs = Needs(held_out=True, teacher_logits=True)
    knobs: RcoKnobs
    part: Tensor
    checkpoint: Tensor

    def __init__(self, knobs: RcoKnobs, context: MethodContext) -> None:
        super().__init__(knobs, context)
        kept = len(context.anchors)
        if kept < knobs.num_anchors:
            detail = f"{knobs.num_anchors} anchors are asked for, and the teacher kept {kept} checkpoints"
            raise SpecInvalid([("/method/num_anchors", detail)])
        self.by = _by(knobs, context)
        self.needs = replace(self.by.needs, held_out=knobs.route == "greedy")
        for name in ("part", "checkpoint"):
            self.register_buffer(name, torch.tensor(-1))

    @classmethod
    def resolved(cls, knobs: RcoKnobs) -> RcoKnobs:
        """With the weights of the method that compares."""
        by = Skd.resolved(SkdKnobs()) if knobs.form == "features" else Kd.resolved(KdKnobs())
        return filled(knobs, weight=float(by.weight), label_weight=by.label_weight)

    def stages(self) -> tuple[Stage, ...]:
        """One, or one an anchor, each as long as the job says."""
        if self.knobs.budget == "one_stage" or self.knobs.num_anchors == 1:
            return (Stage(),)
        return tuple(Stage(f"anchor {place + 1}", restarts_schedule=True) for place in range(self.knobs.num_anchors))

    def begin_epoch(self, progress: TrainingProgress) -> None:
        """Choose the next checkpoint where a new part begins."""
        part = self._part(progress)
        if part != int(self.part):
            self.checkpoint.fill_(self._choose(part))
            self.part.fill_(part)

    def _part(self, progress: TrainingProgress) -> int:
        if len(self.stages()) > 1:
            return self.stages().index(progress.stage)
        return part_of(progress.epoch, progress.fraction, self.knobs.num_anchors)

    def _choose(self, part: int) -> int:
        count = len(self.context.anchors)
        if self.knobs.route == "equal_interval" or part == self.knobs.num_anchors - 1:
            return equal_interval(count, self.knobs.num_anchors)[part]
        if part == 0:
            return 0
        present = int(self.checkpoint)
        hardness = [self.hardness(place) for place in range(present, count)]
        return min(present + greedy_step(hardness, max_hardness=self.knobs.max_hardness), count - 1)

    def hardness(self, checkpoint: int) -> float:
        """The present student's loss against a checkpoint over the held-out images, labels left out."""
        teacher = copy.deepcopy(self.context.required_teacher)
        teacher.module.load_state_dict(self.context.anchors[checkpoint]())
        total, held_out = 0.0, self.context.required_held_out
        with undisturbed(self.context.student), undisturbed(teacher), undisturbed(self.by):
            for views in held_out.split(CHUNK):
                total += len(views) * self._distance(teacher, views)
        return total / len(held_out)

    def _distance(self, teacher: Network, views: Tensor) -> float:
        places = torch.arange(len(views), device=views.device)
        batch = Batch(views, torch.zeros_like(places), places, teacher=teacher.features(views, self.needs.teacher_taps))
        terms = self.by.terms(self.context.student.features(views, self.needs.student_taps), batch)
        return float(sum(term for name, term in terms.items() if name != "label"))

    def anchor(self) -> int | None:
        """The checkpoint of the present part."""
        checkpoint = int(self.checkpoint)
        return checkpoint if 0 <= checkpoint < len(self.context.anchors) - 1 else None

    def terms(self, student: Features, batch: Batch) -> dict[str, Tensor]:
        """Those of `kd` or `skd`."""
        return self.by.terms(student, batch)


def _by(knobs: RcoKnobs, context: MethodContext) -> Method:
    weights = {"weight": knobs.weight, "label_weight": knobs.label_weight}
    if knobs.form == "features":
        return Skd(SkdKnobs(**weights), context)
    return Kd(KdKnobs(temperature=knobs.temperature, **weights), context)
