"""Knowledge distillation with the reused teacher classifier (SimKD; Chen, Mei, Zhang, Wang, Feng, Chen, CVPR 2022,
arXiv 2203.14001). Loss, projector and reduction are those of the authors' code.

L = b mean((P(f_s) - f_t)^2)        z = W_t GAP(P(f_s)) + b_t

f_s (N, C_s, H, H) and f_t (N, C_t, H', H') are the last maps before pooling; the larger is average-pooled to the
smaller; the mean is over N, C_t, H, H. P is core.networks.projected's projector. W_t, b_t, and whatever layers the
teacher has between pooling and them, are the teacher's, restricted to the customer's classes, and never move. The
deployed network is encoder, P and that head; the student's own classifier is taken off and nowhere used.

Ours: a teacher whose classifier reads no average of its last map (class tokens, flattened maps) gives the vector g_t
that it reads, L = b mean((GAP(P(f_s)) - g_t)^2); features below zero take the last ReLU off P; a label term a CE(z, y),
a = 0 by default; several teachers (a projector each on one encoder, the sum of the losses, the mean of the classifiers'
outputs); `data_free` (core.methods.parts.synthesis). The paper names the last two, its code has neither.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from types import MappingProxyType

import torch
from torch import Tensor

from core.methods.contract import Batch, MethodContext, Needs, Update
from core.methods.method import Method, widen
from core.methods.parts.distances import mse_distance, same_size
from core.methods.parts.synthesis import Generator, look
from core.networks.inference import in_layout
from core.networks.network import Features, Network
from core.networks.projected import Projected, project
from core.networks.reuse import Head, read_head, take_over
from core.spec.knobs.simkd import SimkdKnobs
from core.spec.projected import Projection
from core.system.seeds import seeded


def feature_loss(student_maps: Sequence[Tensor], targets: Sequence[Tensor]) -> Tensor:
    """The sum over teachers of the mean squared difference of a projected map (N, C, H, H) and the teacher's map
    (N, C, H', H'), H' >= H, or what its classifier reads (N, C)."""
    losses = []
    for projected, target in zip(student_maps, targets, strict=True):
        if target.dim() == 2:
            losses.append(torch.nn.functional.mse_loss(widen(projected).mean(dim=(2, 3)), widen(target)))
        else:
            losses.append(mse_distance(*same_size(projected, target)))
    return torch.stack(losses).sum()


class Simkd(Method):
    """The teacher's features through a projector that stays, read by the teacher's own classifier."""

    rate_scales = MappingProxyType({"generator": 0.2})
    knobs: SimkdKnobs

    def __init__(self, knobs: SimkdKnobs, context: MethodContext) -> None:
        teachers = (context.required_teacher, *context.more_teachers)
        class_indices = (context.required_classes, *context.required_more_classes)
        heads = [read_head(teacher) for teacher in teachers]
        # From here on the student is the network with the projector; its encoder is the student that was given.
        student = _projecting(context, heads, class_indices, knobs.factor)
        super().__init__(knobs, replace(context, student=student))
        self.teachers, self.class_indices = teachers, class_indices
        self.forms = [head.form for head in heads]
        # By place rather than by path, which is another in each teacher.
        taps: tuple[int, ...] = (-1,) if "map" in self.forms else ()
        self.needs = Needs(student_taps=tuple(f"projectors.{place}" for place in range(len(heads))))
        if not knobs.data_free:
            self.needs = replace(self.needs, teacher_taps=taps, teacher_pooled="vector" in self.forms)
        self.generator = None
        if knobs.data_free:
            with seeded(0, "simkd generator"):
                self.generator = Generator(student.input.size)

    def parameter_groups(self) -> dict[str, list[torch.nn.Parameter]]:
        """Encoder and projectors; apart from them the generator, where there is one."""
        groups = {"student": [p for p in self.context.student.parameters() if p.requires_grad]}
        return groups | ({"generator": list(self.generator.parameters())} if self.generator is not None else {})

    def terms(self, student: Features, batch: Batch) -> dict[str, Tensor]:
        """`feature`: b times the distances; `label`: a CE, where a is not 0."""
        targets = self._targets((batch.required_teacher, *batch.other_teachers))
        terms = {"feature": self.knobs.weight * feature_loss(student.maps, targets)}
        if self.knobs.label_weight:
            terms["label"] = self.knobs.label_weight * self.label_loss(student.logits, batch)
        return terms

    def updates(self, batch: Batch) -> Iterator[Update]:
        """One step; data-free one of the generator and one of the student, on images of the same noise."""
        if self.generator is None:
            yield from super().updates(batch)
            return
        views = self.generator(len(batch.targets))
        terms, seen = self._invent(views)
        yield Update(terms, group="generator")
        first, *others = (_detached(each) for each in seen)
        invented = replace(batch, views=views.detach(), teacher=first, other_teachers=tuple(others))
        student = self.context.student.features(invented.views, self.needs.student_taps)
        yield Update(self.terms(student, invented))

    def _invent(self, views: Tensor) -> tuple[dict[str, Tensor], list[Features]]:
        """The generator's terms for its views, summed over the teachers, and what these see."""
        total: dict[str, Tensor] = {}
        seen = []
        for teacher, indices, form in zip(self.teachers, self.class_indices, self.forms, strict=True):
            taps = (-1,) if form == "map" else ()
            features, terms = look(teacher, indices, views, taps, self.knobs.statistics_weight)
            seen.append(features)
            total = {name: term + total.get(name, 0) for name, term in terms.items()}
        if self.knobs.adversarial_weight:
            moving = self.parameter_groups()["student"]
            for parameter in moving:  # the generator's loss moves the generator alone
                parameter.requires_grad_(False)
            student = self.context.student.features(views, self.needs.student_taps)
            targets = self._targets(seen)
            size = torch.stack([widen(target).square().mean() for target in targets]).sum()
            # Relative, or the generator would seek large features rather than what the student does not know.
            total["adversarial"] = -self.knobs.adversarial_weight * feature_loss(student.maps, targets) / size
            for parameter in moving:
                parameter.requires_grad_(True)
        return total, seen

    def _targets(self, teachers: Sequence[Features]) -> list[Tensor]:
        return [
            each.maps[-1] if form == "map" else each.required_pooled
            for each, form in zip(teachers, self.forms, strict=True)
        ]


def _projecting(context: MethodContext, heads: Sequence[Head], indices: Sequence[Tensor], factor: int) -> Network:
    """The student's encoder with a projector for each head, and with their classifiers."""
    side = context.student.tap(-1).height
    projections = [
        Projection(
            head.channels,
            factor,
            side=head.side if head.side is not None and head.side < side else None,
            signed=head.signed,
            neck=head.names,
        )
        for head in heads
    ]
    with seeded(0, "simkd projectors"):
        student = project(context.student, projections, context.num_classes)
    module = student.module
    if not isinstance(module, Projected):
        raise TypeError(f"a student with projectors is a Projected, and this is a {type(module).__name__}")
    take_over(module, heads, indices)
    return in_layout(student)


def _detached(features: Features) -> Features:
    maps = tuple(feature_map.detach() for feature_map in features.maps)
    return Features(features.logits.detach(), features.required_pooled.detach(), maps)
