"""Differentiable feature aggregation search (Guan et al., ECCV 2020, arXiv 2008.00506). The formulas are those of two
reading notes; the paper's text and code were not at hand, so weights, rates, lengths and the standardization are our
variant.

Each tap of the teacher makes a group: the maps T_j (N, D, H', W') of its repeated blocks, and the student's map S
(N, C, h, w) of like resolution. A = sum_j alpha_j T_j with alpha = softmax(beta), each T_j standardized channel by
channel over the batch. F_s: C -> D and F_t: D -> C are 1x1 convolutions, trained along and not exported. |.|^2 is a
mean over N, D and places, at the smaller of both sizes.

Search, one stage a group, from beta = 0: bridge = g_st |F_s(S) - A|^2 + g_ts CE(z', y), where z' are the logits of a
student whose part behind S goes on from F_t(A). By turns student and connectors take a step on the first half of the
training split, and beta a step on the second half, with r |beta|^2 added (first order, as in DARTS). The student begins
each search anew. g_ts keeps the search from choosing the shallow maps that are easiest to imitate. A group of one block
needs no search.

Training: beta stays, the student is as at the very first, all images: L = a CE(z, y) + b sum_groups |F_s(S) - A|^2.
The teacher's logits are never used, so its classes may be any.
"""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from core.errors import SpecInvalid
from core.methods.contract import Batch, MethodContext, Needs, Products, Stage, Update
from core.methods.method import Method, widen
from core.methods.parts.distances import mse_distance, same_size
from core.methods.parts.feature_method import tap_pairs
from core.networks.blocks import blocks_of
from core.networks.feeding import feeding
from core.networks.network import Features
from core.networks.taps import TapPoint
from core.spec.knobs.dfa import DfaKnobs
from core.system.seeds import seeded

EPS = 1e-6


@dataclass(frozen=True)
class Group:
    """A tap of the teacher with its blocks, and the student's tap that learns from them."""

    student: TapPoint
    teacher: TapPoint
    layers: tuple[str, ...]


def groups_of(context: MethodContext) -> tuple[Group, ...]:
    """The groups, shallow to deep."""
    return tuple(
        Group(student, teacher, tuple(block.path for block in blocks_of(context.required_teacher, teacher.path)))
        for student, teacher in tap_pairs("all", context)
    )


def standardized(feature_map: Tensor) -> Tensor:
    """(N, D, H, W) with mean 0 and deviation 1 of each channel over N, H, W, in float32."""
    values = widen(feature_map)
    deviation, mean = torch.std_mean(values, dim=(0, 2, 3), correction=0, keepdim=True)
    return (values - mean) / (deviation + EPS)


def aggregated(maps: Sequence[Tensor], alphas: Tensor) -> Tensor:
    """sum_j alpha_j T_j of maps (N, D, H, W) and (J,) shares."""
    return torch.stack([alpha * widen(each) for alpha, each in zip(alphas, maps, strict=True)]).sum(dim=0)


class Dfa(Method):
    """Labels, and in each group of layers the mixture of the teacher's maps that a search found."""

    knobs: DfaKnobs

    def __init__(self, knobs: DfaKnobs, context: MethodContext) -> None:
        super().__init__(knobs, context)
        self.groups = groups_of(context)
        self.needs = Needs(
            teacher_taps=tuple(dict.fromkeys(layer for group in self.groups for layer in group.layers)),
            student_taps=tuple(group.student.path for group in self.groups),
        )
        self.rate_scales = {"aggregation": knobs.search_rate}
        self.betas = nn.ParameterList(self._first_beta(group) for group in self.groups)
        with seeded(0, "dfa connectors"):
            self.to_teacher = nn.ModuleList(
                nn.Conv2d(group.student.channels, group.teacher.channels, 1) for group in self.groups
            )
            self.to_student = nn.ModuleList(
                nn.Conv2d(group.teacher.channels, group.student.channels, 1) if beta.requires_grad else nn.Identity()
                for group, beta in zip(self.groups, self.betas, strict=True)
            )
        self._learners = (context.student, self.to_teacher, self.to_student)
        self._untrained = [copy.deepcopy(each.state_dict()) for each in self._learners]

    def _first_beta(self, group: Group) -> nn.Parameter:
        """Zeros, to be searched from; the logarithms of the shares where they are given."""
        given = self.knobs.aggregation
        if given is None:
            return nn.Parameter(torch.zeros(len(group.layers)), requires_grad=len(group.layers) > 1)
        expected = {each.teacher.path: set(each.layers) for each in self.groups}
        if {tap: set(layers) for tap, layers in given.items()} != expected:
            listed = "; ".join(f"{each.teacher.path}: {', '.join(each.layers)}" for each in self.groups)
            detail = f"the shares must be of this teacher's layers: {listed}"
            raise SpecInvalid([("/method/aggregation", detail)])
        shares = torch.tensor([given[group.teacher.path][layer] for layer in group.layers], dtype=torch.float64)
        return nn.Parameter(shares.log().float(), requires_grad=False)

    def stages(self) -> tuple[Stage, ...]:
        """A search for each group that has a choice, then the training, as long as the job says."""
        searched = [group for group in groups_of(self.context) if len(group.layers) > 1]
        if self.knobs.aggregation is not None or not searched:
            return (Stage(),)
        searches = [
            Stage(_search(group), share=self.knobs.search_share, split="halves", restarts_schedule=True, prepares=True)
            for group in searched
        ]
        return (*searches, Stage(restarts_schedule=True))

    def begin_stage(self, stage: Stage) -> None:
        """Student and connectors begin anew; what was found stays."""
        for learner, state in zip(self._learners, self._untrained, strict=True):
            learner.load_state_dict(state)

    def _searched(self) -> int | None:
        """Which group the present stage searches; None while the student is trained."""
        names = [_search(group) for group in self.groups]
        return names.index(self.stage.name) if self.stage.name in names else None

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """The student with the connectors in use; `aggregation`: the beta that is searched."""
        student = [p for p in self.context.student.parameters() if p.requires_grad]
        place = self._searched()
        if place is None:
            return {"student": [*student, *self.to_teacher.parameters()]}
        connectors = [*self.to_teacher[place].parameters(), *self.to_student[place].parameters()]
        return {"student": [*student, *connectors], "aggregation": [self.betas[place]]}

    def updates(self, batch: Batch) -> Iterator[Update]:
        """Training: one. Search: the student's on `batch`, then the shares' on its other half."""
        place = self._searched()
        if place is None:
            yield from super().updates(batch)
            return
        label, feature, logits = self.bridge(batch, place, self.alphas(place).detach())
        yield Update({"label": label, "feature": feature}, logits)
        label, feature, _ = self.bridge(batch.required_other_half, place, self.alphas(place))
        regularization = self.knobs.regularization * self.betas[place].square().sum()
        terms = {"search_label": label, "search_feature": feature, "search_regularization": regularization}
        yield Update(terms, group="aggregation")

    def bridge(self, batch: Batch, place: int, alphas: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """g_ts CE and g_st |F_s(S) - A|^2 of a group, and the logits (N, K) of the student fed with its A."""
        target = self.target(batch, place, alphas)
        own: list[Tensor] = []

        def fed(student_map: Tensor) -> Tensor:
            own.append(student_map)
            resized = functional.adaptive_avg_pool2d(target, (student_map.shape[2], student_map.shape[3]))
            return self.to_student[place](resized).to(student_map.dtype)

        with feeding(self.context.student, self.groups[place].student.path, fed):
            logits = self.context.student(batch.views)
        feature = mse_distance(*same_size(self.to_teacher[place](own[-1]), target))
        label = self.knobs.expressivity_weight * self.label_loss(logits, batch)
        return label, self.knobs.learnability_weight * feature, logits

    def alphas(self, place: int) -> Tensor:
        """(J,) shares of a group's layers; they sum to 1."""
        return self.betas[place].softmax(dim=0)

    def target(self, batch: Batch, place: int, alphas: Tensor) -> Tensor:
        """(N, D, H', W') float32: A of a group."""
        seen = dict(zip(self.needs.teacher_taps, batch.required_teacher.maps, strict=True))
        maps = [seen[layer] for layer in self.groups[place].layers]
        return aggregated([standardized(each) for each in maps] if self.knobs.standardized else maps, alphas)

    def terms(self, student: Features, batch: Batch) -> dict[str, Tensor]:
        """`label`: a CE; `feature`: b times the distances to A, summed over the groups."""
        total = torch.zeros((), device=student.logits.device)
        for place, (connector, student_map) in enumerate(zip(self.to_teacher, student.maps, strict=True)):
            target = self.target(batch, place, self.alphas(place).detach())
            total = total + mse_distance(*same_size(connector(student_map), target))
        return {
            "label": self.knobs.label_weight * self.label_loss(student.logits, batch),
            "feature": self.knobs.weight * total,
        }

    def found(self) -> dict[str, dict[str, float]]:
        """The shares by the teacher's tap and layer: what `knobs.aggregation` of a later job may be."""
        return {
            group.teacher.path: dict(zip(group.layers, self.betas[place].double().softmax(dim=0).tolist(), strict=True))
            for place, group in enumerate(self.groups)
        }

    def products(self) -> Products:
        """The shares, found or given."""
        return Products(shares=self.found())


def _search(group: Group) -> str:
    return f"search {group.teacher.path}"
