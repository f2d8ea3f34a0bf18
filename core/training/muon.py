"""Muon: SGD with momentum whose update of a convolution kernel is made orthogonal.

Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks" (kellerjordan.github.io/posts/muon). That
three iterations are enough for kernels is from airbench94_muon.py (github.com/KellerJordan/cifar10-airbench).
"""

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn, optim

ITERATIONS = 3
# Coefficients of the quintic polynomial that moves singular values from (0, 1] towards 1. It is steep at 0 instead of
# exact at 1 (Jordan, section "Tuning the coefficients").
QUINTIC = (3.4445, -4.7750, 2.0315)
TINY = 1e-7
ROWS_FOR_DTYPE = 64  # smaller products take longer in bfloat16 than in float32 on a CPU


class Muon(optim.Optimizer):
    """SGD with Nesterov momentum, whose direction for a convolution's kernel is made orthogonal.

    A kernel (out, in / groups, h, w) is treated as a matrix of `out` rows. The singular values of its update become
    about 1, so that a step changes it by about `lr` in each singular direction, for any size of the gradient; by
    sqrt(rows / columns) more if it has more rows than columns. Other parameters (depthwise kernels, matrices, biases,
    norms) are updated as by torch.optim.SGD. Weight decay applies to kernels only and is separate from the gradient:
    `lr` x `weight_decay` of the kernel at each step.

    dtype: the type in which large matrix products are computed.
    """

    def __init__(
        self,
        parameters: Sequence[nn.Parameter],
        lr: float,
        *,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        kernels = [p for p in parameters if is_dense_kernel(p)]
        others = [p for p in parameters if not is_dense_kernel(p)]
        groups: list[dict[str, Any]] = [
            {"params": kernels, "orthogonal": True},
            {"params": others, "orthogonal": False},
        ]
        defaults = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay}
        super().__init__([group for group in groups if group["params"]], defaults)
        self.dtype = dtype

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]  # torch overloads it
        """Update every parameter that has a gradient."""
        with torch.enable_grad():
            loss = closure() if closure is not None else None
        for group in self.param_groups:
            parameters = [p for p in group["params"] if p.grad is not None]
            if not parameters:
                continue
            directions = self._directions(parameters, group["momentum"])
            if group["orthogonal"]:
                torch._foreach_mul_(parameters, 1 - group["lr"] * group["weight_decay"])
                directions = orthogonalized(directions, self.dtype)
            torch._foreach_add_(parameters, directions, alpha=-group["lr"])
        return loss

    def _directions(self, parameters: list[nn.Parameter], momentum: float) -> list[Tensor]:
        """The update directions: Nesterov momentum of the gradients."""
        gradients = [p.grad for p in parameters if p.grad is not None]
        for parameter in parameters:
            if "momentum_buffer" not in self.state[parameter]:
                self.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
        buffers = [self.state[p]["momentum_buffer"] for p in parameters]
        torch._foreach_mul_(buffers, momentum)
        torch._foreach_add_(buffers, gradients)
        return list(torch._foreach_add(gradients, buffers, alpha=momentum))


def is_dense_kernel(parameter: Tensor) -> bool:
    """Whether it is the (out, in / groups, h, w) kernel of a convolution that is not depthwise."""
    return parameter.ndim == 4 and parameter.shape[0] > 1 and parameter.shape[1] > 1


def is_convolutional(module: nn.Module) -> bool:
    """Whether most weights of the module are dense convolution kernels, for which Muon is made."""
    sizes = {True: 0, False: 0}
    for parameter in module.parameters():
        sizes[is_dense_kernel(parameter)] += parameter.numel()
    return sizes[True] > sizes[False]


def orthogonalized(directions: Sequence[Tensor], dtype: torch.dtype = torch.float32) -> list[Tensor]:
    """Each (out, in, h, w) -> the same shape, whose matrix of `out` rows has singular values of about 1, or of sqrt(out
    / (in h w)) if that is larger; a zero tensor stays zero. Large tensors are computed and returned in `dtype`.
    """
    results: list[Tensor] = [*directions]
    alike: dict[torch.Size, list[int]] = defaultdict(list)
    for index, direction in enumerate(directions):
        alike[direction.shape].append(index)
    for (rows, *others), indices in alike.items():
        columns = math.prod(others)
        fitting = dtype if min(rows, columns) >= ROWS_FOR_DTYPE else torch.float32
        matrices = torch.stack([_laid_out(directions[index]).flatten(1).to(fitting) for index in indices])
        scale = max(1.0, rows / columns) ** 0.5
        polar = _polar(matrices, scale) if rows <= columns else _polar(matrices.mT, scale).mT
        for index, matrix in zip(indices, polar, strict=True):
            results[index] = _like(directions[index], matrix)
    return results


def _laid_out(direction: Tensor) -> Tensor:
    """(out, in, h, w) as a matrix without a copy: the order of its columns in memory does not matter."""
    return direction.permute(0, 2, 3, 1) if direction.is_contiguous(memory_format=torch.channels_last) else direction


def _like(direction: Tensor, matrix: Tensor) -> Tensor:
    """The inverse of `_laid_out`."""
    laid = _laid_out(direction)
    result = matrix.reshape(laid.shape)
    return result.permute(0, 3, 1, 2) if laid is not direction else result


def _polar(wide: Tensor, scale: float) -> Tensor:
    """(B, r, c), r <= c -> the same shape: approximately the orthogonal polar factor of each matrix, times `scale`.

    A step X -> a X + b (X X') X + c (X X')^2 X multiplies X by a polynomial of its (r, r) matrix S = X X', and S by the
    square of that. So only S is iterated, with the product of the polynomials, and X is multiplied once.
    """
    first, third, fifth = QUINTIC
    squares = wide @ wide.mT
    norm = squares.diagonal(dim1=1, dim2=2).float().sum(dim=1).sqrt()[:, None, None] + TINY  # Frobenius, of X
    squares = (squares / norm.square()).to(wide.dtype)
    factor = (scale / norm).to(wide.dtype)
    for iteration in range(ITERATIONS):
        polynomial = torch.baddbmm(squares, squares, squares, beta=third, alpha=fifth)
        polynomial.diagonal(dim1=1, dim2=2).add_(first)
        factor = polynomial @ factor if iteration else polynomial * factor
        if iteration + 1 < ITERATIONS:
            squares = polynomial @ squares @ polynomial
    return factor @ wide
