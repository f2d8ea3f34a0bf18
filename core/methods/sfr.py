"""Self-feature regularization (arXiv 2103.07350, March 2021): a network's deepest map teaches its earlier maps; there
is no other teacher. THE PAPER IS WITHDRAWN: its listing speaks of significant errors in the experimental data, so none
of its results may be quoted. Only the abstract was at hand; the formulas are our variant of its three parts.

L = a CE_e(z, y) + b sum_l (1/N) sum_i EMD(s_l,i, sg[d_i]) / C

Local matching. Maps s (N, C, h, w) and d are averaged to at most `grid` x `grid` places, the same for both; with
P = h w places, EMD = min over pi of sum_uv pi_uv |s_u - d_v|^2, where pi has row and column sums 1/P: an exact matching
of places up to an entropy of 0.05 of the mean cost, found by 50 log-domain Sinkhorn iterations (Cuturi 2013). The plan
carries no gradient (envelope theorem). Without it, place u is compared with place u.

Channels, many to one. The wider map's C' = m C channels are averaged in C runs of neighbours, so that m channels of the
deep map teach one of the shallow. With squared distances this has the plan and the gradient of matching each of the m
slices and averaging the costs. Otherwise a learned 1x1 convolution takes s to the channels of d.

Dynamic label smoothing. e rises in the course of the training from the job's label_smoothing by `smoothing`, epoch by
epoch; CE_e is the cross-entropy with labels smoothed by e.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from core.errors import SpecInvalid
from core.methods.contract import Batch, MethodContext, Needs, TrainingProgress
from core.methods.method import Method, widen
from core.networks.blocks import blocks_of
from core.networks.network import Features, Network
from core.networks.taps import TapPoint
from core.spec.knobs.sfr import SfrKnobs
from core.system.seeds import seeded

ENTROPY = 0.05  # of the mean cost: small enough for a nearly exact matching
ITERATIONS = 50
MOST_EQUAL_TAPS = 3  # shallow taps of a network whose maps are all of one resolution


def squared_distances(shallow: Tensor, deep: Tensor) -> Tensor:
    """(N, P, P) costs |s_u - d_v|^2 of two (N, P, C) clouds."""
    return (shallow.unsqueeze(2) - deep.unsqueeze(1)).square().sum(dim=3)


def transport_plan(cost: Tensor, *, entropy: float = ENTROPY, iterations: int = ITERATIONS) -> Tensor:
    """(N, P, P) plans with row and column sums 1/P that all but minimize sum pi cost; no gradient.

    `entropy` is a share of each cost matrix's mean: as it goes to 0, the plan goes to the exact one.
    """
    cost = cost.detach()
    scale = (entropy * cost.mean(dim=(1, 2), keepdim=True)).clamp(min=torch.finfo(cost.dtype).tiny)
    log_kernel = -cost / scale
    columns = torch.zeros_like(cost[:, :1])
    for _ in range(iterations):
        rows = -torch.logsumexp(log_kernel + columns, dim=2, keepdim=True)
        columns = -torch.logsumexp(log_kernel + rows, dim=1, keepdim=True)
    return (log_kernel + rows + columns).exp() / cost.shape[1]


def emd(shallow: Tensor, deep: Tensor, *, entropy: float = ENTROPY, iterations: int = ITERATIONS) -> Tensor:
    """(N,) earth mover's distances, with squared Euclidean costs, of two (N, P, C) clouds; no gradient into `deep`."""
    cost = squared_distances(shallow, deep.detach())
    return (transport_plan(cost, entropy=entropy, iterations=iterations) * cost).sum(dim=(1, 2))


def grouped_channels(feature_map: Tensor, channels: int) -> Tensor:
    """(N, C', H, W) -> (N, channels, H, W): runs of neighbouring channels averaged."""
    if feature_map.shape[1] == channels:
        return feature_map
    places = feature_map.flatten(2).transpose(1, 2)
    averaged = functional.adaptive_avg_pool1d(places, channels).transpose(1, 2)
    return averaged.unflatten(2, feature_map.shape[2:])


def local_loss(shallow: Tensor, deep: Tensor, *, grid: int, matched: bool) -> Tensor:
    """The mean over N of EMD / C (or, unmatched, of the squared difference) of maps (N, C, h, w) and (N, C', h', w').

    Half precision is computed in float32; no gradient into `deep`.
    """
    channels = min(shallow.shape[1], deep.shape[1])
    side = min(grid, *shallow.shape[2:], *deep.shape[2:])
    cloud, deep_cloud = (
        functional.adaptive_avg_pool2d(grouped_channels(widen(each), channels), side).flatten(2).transpose(1, 2)
        for each in (shallow, deep.detach())
    )
    if not matched:
        return functional.mse_loss(cloud, deep_cloud)
    return emd(cloud, deep_cloud).mean() / channels


class Sfr(Method):
    """Labels smoothed more and more, and the deepest map as the teacher of the earlier ones."""

    knobs: SfrKnobs

    def __init__(self, knobs: SfrKnobs, context: MethodContext) -> None:
        super().__init__(knobs, context)
        self.smoothing = context.label_smoothing
        self.adapters = nn.ModuleList()
        if knobs.weight == 0:
            return
        *shallow, deep = own_taps(knobs.taps, context.student)
        self.needs = Needs(student_taps=tuple(point.path for point in (*shallow, deep)))
        with seeded(0, "sfr adapters"):
            self.adapters.extend(self._adapter(point, deep) for point in shallow)

    def _adapter(self, shallow: TapPoint, deep: TapPoint) -> nn.Module:
        if self.knobs.channels == "many_to_one":
            return nn.Identity()
        return nn.Conv2d(shallow.channels, deep.channels, 1)

    def begin_epoch(self, progress: TrainingProgress) -> None:
        """Smooth the labels more."""
        self.smoothing = min(1.0, self.context.label_smoothing + self.knobs.smoothing * progress.fraction)

    def label_loss(self, logits: Tensor, batch: Batch) -> Tensor:
        """Cross-entropy with the labels as smooth as they are by now."""
        return self.context.task.loss(logits, batch.targets, label_smoothing=self.smoothing)

    def terms(self, student: Features, batch: Batch) -> dict[str, Tensor]:
        """`label`: a CE_e; `local`: b times the distances of the earlier maps to the deepest, where b is not 0."""
        terms = {"label": self.knobs.label_weight * self.label_loss(student.logits, batch)}
        if self.knobs.weight > 0:
            terms["local"] = self.knobs.weight * self.distances(student.maps)
        return terms

    def distances(self, maps: tuple[Tensor, ...]) -> Tensor:
        """The local losses summed over the earlier taps; the deepest map is the last."""
        *shallow, deep = maps
        losses = [
            local_loss(adapter(each), deep, grid=self.knobs.grid, matched=self.knobs.matched)
            for adapter, each in zip(self.adapters, shallow, strict=True)
        ]
        return torch.stack(losses).sum()


def own_taps(taps: str | tuple[str, ...], student: Network) -> list[TapPoint]:
    """The student's taps, the deepest last: one per resolution; of a network with one resolution, a few of its blocks;
    or its modules by path. Raises SpecInvalid for fewer than two or for a path that it has not."""
    if isinstance(taps, str):
        chosen = list(student.tap_points)
        if len(chosen) == 1:
            blocks = blocks_of(student, chosen[0].path)[:-1]
            step = max(1, len(blocks) // MOST_EQUAL_TAPS)
            chosen = [*blocks[step - 1 :: step][:MOST_EQUAL_TAPS], *chosen]
    else:
        chosen = [student.tap(path) for path in taps]
    if len(chosen) < 2:
        detail = f"a map needs a deeper one to learn from, and only {len(chosen)} of {student.architecture} is tapped"
        raise SpecInvalid([("/method/taps", detail)])
    return chosen
