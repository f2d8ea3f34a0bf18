"""What loops that are not the engine's have in common: the device, the threads, and a machine without a GPU."""

import torch
from torch import nn
from torchvision.datasets import cifar

from benchmarks.harness.pacing import Channel, Pacer
from benchmarks.harness.request import Request


def set_up(request: Request, channel: Channel) -> tuple[Pacer, torch.device]:
    """A pacer and the device; as many threads as the request says, else as many as torch takes by itself."""
    if request.threads is not None:
        torch.set_num_threads(request.threads)
    has_gpu = torch.cuda.is_available()
    pacer = Pacer(channel, synchronize=torch.cuda.synchronize if has_gpu else lambda: None)
    pacer.note(threads=torch.get_num_threads(), precision="fp32")
    return pacer, torch.device("cuda" if has_gpu else "cpu")


def stay_on_cpu() -> None:
    """Without a GPU, make `.cuda()` leave tensors and modules where they are: the repositories call it unasked."""
    if not torch.cuda.is_available():
        torch.Tensor.cuda = lambda self, *args, **kwargs: self
        nn.Module.cuda = lambda self, *args, **kwargs: self


def accept_synthetic_images() -> None:
    """Let torchvision read CIFAR files whose checksums are not those of the real ones."""
    cifar.check_integrity = lambda path, md5=None: True
    cifar.CIFAR10._check_integrity = lambda self: True
