"""Lengths, directions and inner products of feature vectors, in float32 at least, whatever the networks compute in."""

import torch
from torch import Tensor

from core.methods.method import widen

TINY = 1e-12  # a vector shorter than this has no direction


def inner_products(left: Tensor, right: Tensor) -> Tensor:
    """(..., N, D) and (..., M, D) -> (..., N, M). Autocast, which would halve the precision, is switched off."""
    with torch.autocast(left.device.type, enabled=False):
        return widen(left) @ widen(right).transpose(-1, -2)


def lengths(vectors: Tensor, dim: int) -> Tensor:
    """Euclidean lengths along `dim`, which stays with size 1; a zero vector has gradient 0, not NaN."""
    return torch.linalg.vector_norm(widen(vectors), dim=dim, keepdim=True)


def unit(vectors: Tensor, dim: int = 1) -> Tensor:
    """Vectors along `dim` at length 1. A vector without direction stays as it is, and its gradient stays moderate."""
    long = lengths(vectors, dim)
    return widen(vectors) / torch.where(long > TINY, long, torch.ones_like(long))
