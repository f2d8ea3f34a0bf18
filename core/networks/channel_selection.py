"""Which hidden channels a pruned block keeps, and the projection that makes up for the others.

The projection reads hidden values z (H,) at every pixel and gives W z. Of all H channels a few are kept, one after the
other, each time the one with which the best linear prediction of W z gains most: greedy column subset selection, which
is orthogonal least squares (Chen, Billings, Luo 1989). The projection then becomes that prediction, by least squares.
Channel pruning with such a reconstruction: ThiNet (Luo, Wu, Lin, ICCV 2017), He, Zhang, Sun (ICCV 2017).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

# Of the kept channels' mean variance, added to each variance: values that nearly depend on each other would else get
# large weights of opposite signs.
RIDGE = 1e-4
LEAST_VARIANCE = 1e-7  # of the largest one


@dataclass
class Moments:
    """Sums over pixels of hidden values: `products` float64 (H, H), `values` float64 (H,), and the number of pixels."""

    products: Tensor
    values: Tensor
    count: int = 0

    @classmethod
    def of_none(cls, channels: int) -> "Moments":
        """Before any pixel is seen."""
        return cls(torch.zeros(channels, channels, dtype=torch.float64), torch.zeros(channels, dtype=torch.float64))

    def add(self, pixels: Tensor) -> None:
        """Count hidden values float32 (P, H)."""
        self.products += (pixels.T @ pixels).cpu().double()
        self.values += pixels.sum(dim=0).cpu().double()
        self.count += len(pixels)

    def mean_and_covariance(self) -> tuple[Tensor, Tensor]:
        """Float64 (H,) and (H, H); raises ValueError where nothing was counted."""
        if not self.count:
            raise ValueError("no pixel was counted")
        mean = self.values / self.count
        return mean, self.products / self.count - torch.outer(mean, mean)


def select_channels(covariance: Tensor, weight: Tensor, count: int) -> Tensor:
    """The `count` channels to keep, int64 in rising order.

    `covariance` (H, H) of the hidden values, `weight` (C, H) of the projection. Takes about count H^2 operations.
    """
    rest = covariance.float().clone()  # of what the kept channels do not predict yet
    least = (LEAST_VARIANCE * rest.diagonal().max()).clamp(min=torch.finfo(torch.float32).tiny)
    explained = weight.float() @ rest
    kept: list[int] = []
    for _ in range(count):
        variances = rest.diagonal().clamp(min=least)
        gains = explained.square().sum(dim=0) / variances
        gains[kept] = -1.0
        best = int(gains.argmax())
        kept.append(best)
        deviation = variances[best].sqrt()
        column, output = rest[:, best] / deviation, explained[:, best] / deviation
        rest.addr_(column, column, alpha=-1)
        explained.addr_(output, column, alpha=-1)
    return torch.tensor(sorted(kept))


def refitted(mean: Tensor, covariance: Tensor, weight: Tensor, kept: Tensor) -> tuple[Tensor, Tensor]:
    """The projection of the kept channels: weight float32 (C, k), and the constant float32 (C,) to add to its output.

    `weight` (C, H) is the whole projection, without bias.
    """
    whole = weight.double()
    among_kept, with_kept = covariance[kept][:, kept], covariance[:, kept]
    ridge = RIDGE * among_kept.diagonal().mean()
    among_kept = among_kept + ridge * torch.eye(len(kept), dtype=torch.float64)
    fitted = torch.linalg.solve(among_kept, (whole @ with_kept).T).T
    return fitted.float(), (whole @ mean - fitted @ mean[kept]).float()
