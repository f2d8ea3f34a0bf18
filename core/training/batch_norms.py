"""Batch norms that keep the statistics of the initial weights while the network trains."""

from torch import nn


def freeze_statistics(module: nn.Module) -> None:
    """Let every batch norm use the statistics that it has, and learn none, until it is in training mode again."""
    for part in module.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            part.eval()
