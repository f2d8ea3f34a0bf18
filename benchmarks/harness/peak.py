"""The machine's arithmetic peak, as the fastest of what its libraries do: matrix products, and 3x3 convolutions in the
channels_last layout. A child of the race like any other, so that it is measured in the same minutes."""

import time
from collections.abc import Callable, Iterator

import torch
from torch.nn import functional as F

from benchmarks.harness.flops import count_flops
from benchmarks.harness.foreign import set_up
from benchmarks.harness.pacing import Channel
from benchmarks.harness.request import Request

MATRIX = {"cpu": 2048, "cuda": 8192}
# Channels, height and width of the inner convolutions of resnet32x4; the batch makes them large enough for any device.
CONVOLUTIONS = ((64, 32), (128, 16), (256, 8))
BATCH = {"cpu": 64, "cuda": 1024}
PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}


def run(request: Request, channel: Channel) -> None:
    """Tell the work's floating-point operations, then measure the peaks for each block."""
    _, device = set_up(request, channel)
    torch.backends.cudnn.allow_tf32 = False  # the default: float32 of 10 bits
    channel.say(
        "ready",
        flops=count_flops(request.work, len(request.inputs.classes(request.work))),
        threads=torch.get_num_threads(),
        device=torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
        versions=versions(),
    )
    while True:
        seconds = channel.next_block()
        channel.say("block", rates=measure_peaks(device, seconds))


def measure_peaks(device: torch.device, seconds: float) -> dict[str, float]:
    """Floating-point operations a second by precision: the best single repetition in about `seconds` seconds in all."""
    kernels = [(name, *kernel) for name, dtype in PRECISIONS.items() for kernel in _kernels(device, dtype)]
    rates = dict.fromkeys(PRECISIONS, 0.0)
    with torch.inference_mode():
        for name, operations, kernel in kernels:
            kernel()  # the first call chooses and packs
            deadline = time.perf_counter() + seconds / len(kernels)
            while time.perf_counter() < deadline:
                rates[name] = max(rates[name], operations / _time(kernel, device))
    return rates


def versions() -> dict[str, str]:
    """Of what the loops are made of."""
    import torchvision

    found = {"torch": torch.__version__, "torchvision": torchvision.__version__}
    lines = torch.__config__.show().splitlines()
    onednn = next((line.split("v")[-1].split()[0] for line in lines if "MKL-DNN v" in line or "oneDNN v" in line), None)
    return {**found, "oneDNN": onednn} if onednn else found


def _kernels(device: torch.device, dtype: torch.dtype) -> Iterator[tuple[float, Callable[[], object]]]:
    size = MATRIX[device.type]
    left, right = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    yield 2.0 * size**3, lambda: left @ right
    for channels, side in CONVOLUTIONS:
        batch = BATCH[device.type]
        images = torch.randn(batch, channels, side, side, device=device).to(dtype)
        weights = torch.randn(channels, channels, 3, 3, device=device).to(dtype)
        images, weights = (tensor.to(memory_format=torch.channels_last) for tensor in (images, weights))
        yield (
            2.0 * 9 * channels**2 * side**2 * batch,
            lambda images=images, weights=weights: F.conv2d(images, weights, padding=1),
        )


def _time(kernel: Callable[[], object], device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize()
    began = time.perf_counter()
    kernel()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - began
