"""Batch norm that also takes a batch whose channels have one value each."""

from torch import Tensor, nn
from torch.nn import functional


class BatchNorm(nn.BatchNorm2d):
    """Batch norm of (N, C) or (N, C, H, W). One value a channel, which has no variance, is normalized by the running
    statistics, as in eval mode."""

    def forward(self, values: Tensor) -> Tensor:
        """As nn.BatchNorm2d."""
        if self.training and values.numel() == self.num_features:
            statistics = self.running_mean, self.running_var
            return functional.batch_norm(values, *statistics, self.weight, self.bias, eps=self.eps)
        return super().forward(values)

    def _check_input_dim(self, input: Tensor) -> None:
        """Both ranks are welcome."""
