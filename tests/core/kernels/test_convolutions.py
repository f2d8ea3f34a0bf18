"""Convolutions by the kernels against sums written out in float64, and which of a network's they take over."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from compiling import needs_kernels
from drawn import draw
from torch import nn

from core.kernels import ByKernels, Kernels, mode, serves
from core.kernels.agreement import disagreement
from core.system.device import Arithmetic

CPU = torch.device("cpu")
pytestmark = needs_kernels
# (images, input channels, output channels, height, width): odd and even, one tile of a row, more tiles than a gradient
# adds up at once, more than a thread convolves at once, a number of tiles that is not a multiple of eight, so many that
# each thread adds up a share of them.
SHAPES = [
    (1, 32, 32, 4, 4), (3, 32, 64, 7, 5), (2, 64, 32, 8, 9), (1, 96, 160, 13, 4), (5, 32, 32, 32, 32),
    (2, 256, 32, 5, 6), (3, 64, 32, 65, 64),
]  # fmt: skip
# Of the largest value. Values are rounded to bfloat16 (0.002 of them on average) once transformed and once at the end.
CLOSE = 0.02


def summed(images: Any, weight: Any) -> Any:
    """A convolution as its definition has it: for each place in the filter, the images moved by it, in float64."""
    height, width = images.shape[2:]
    padded = nn.functional.pad(images.double(), (1, 1, 1, 1))
    return sum(
        torch.einsum("nchw,kc->nkhw", padded[:, :, i : i + height, j : j + width], weight[:, :, i, j].double())
        for i, j in itertools.product(range(3), range(3))
    )


def assert_close(ours: Any, theirs: Any) -> None:
    assert ours.shape == theirs.shape
    assert (ours.double() - theirs).abs().max() <= CLOSE * theirs.abs().max()
    assert (ours.double() - theirs).norm() <= 0.006 * theirs.norm()


@pytest.mark.parametrize("shape", SHAPES)
def test_it_computes_a_convolution_and_its_gradients(kernels: Kernels, shape: Any) -> None:
    count, inputs, outputs, height, width = shape
    images, weight = draw(count, inputs, height, width), draw(outputs, inputs, 3, 3, seed=1)
    gradient, bias = draw(count, outputs, height, width, seed=2), draw(1, outputs, 1, 1, seed=3).flatten()
    exact = [each.double().requires_grad_() for each in (images, weight)]
    expected = summed(*exact)
    for_images, for_weight = torch.autograd.grad(expected, exact, gradient.double())
    expected = expected.detach()
    low, low_gradient = images.bfloat16(), gradient.bfloat16()
    assert_close(kernels.convolve(low, weight, None), expected)
    assert_close(kernels.convolve(low, weight, bias), expected + bias.double().view(1, -1, 1, 1))
    assert_close(kernels.gradient_of_images(low_gradient, weight), for_images)
    assert_close(kernels.gradient_of_weight(low, low_gradient), for_weight)
    assert_close(kernels.gradient_of_filter(low, low_gradient, size=3, stride=1, padding=1), for_weight)


@pytest.mark.parametrize("form", [(3, 2, 1), (1, 2, 0), (1, 1, 0), (5, 3, 2), (2, 2, 0)], ids=str)
@pytest.mark.parametrize("shape", SHAPES)
def test_it_computes_the_gradients_of_weights_of_any_size_and_stride(
    kernels: Kernels, shape: Any, form: tuple[int, ...]
) -> None:
    count, inputs, outputs, height, width = shape
    size, stride, padding = form
    images = draw(count, inputs, height, width)
    weight = draw(outputs, inputs, size, size, seed=1).double().requires_grad_()
    output = nn.functional.conv2d(images.double(), weight, None, stride, padding)
    gradient = draw(*output.shape, seed=2)
    (expected,) = torch.autograd.grad(output, weight, gradient.double())
    low, low_gradient = images.bfloat16(), gradient.bfloat16()
    found = kernels.gradient_of_filter(low, low_gradient, size=size, stride=stride, padding=padding)
    torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-3)  # nothing is rounded but sums


def test_whole_numbers_come_out_exactly(kernels: Kernels) -> None:
    """Sums of small ones need no rounding anywhere: whatever differs is an image or a filter in the wrong place."""
    generator = torch.Generator().manual_seed(0)
    images, gradient = (torch.randint(-2, 3, (2, 32, 9, 6), generator=generator) for _ in range(2))
    weight = 4 * torch.randint(-1, 2, (32, 32, 3, 3), generator=generator)  # quarters of it are whole
    images, gradient, weight = (
        each.float().contiguous(memory_format=torch.channels_last) for each in (images, gradient, weight)
    )
    exact = [each.double().requires_grad_() for each in (images, weight)]
    expected = summed(*exact)
    for_images, for_weight = torch.autograd.grad(expected, exact, gradient.double())
    low, low_gradient = images.bfloat16(), gradient.bfloat16()
    assert torch.equal(kernels.convolve(low, weight, None), expected.bfloat16())
    assert torch.equal(kernels.gradient_of_images(low_gradient, weight), for_images.bfloat16())
    assert torch.equal(kernels.gradient_of_weight(low, low_gradient).double(), for_weight)


@pytest.mark.parametrize("size", [14, 47])
def test_the_number_of_threads_changes_nothing(kernels: Kernels, size: int) -> None:
    images, weight, gradient = draw(6, 64, size, size), draw(32, 64, 3, 3), draw(6, 32, size, size)
    images, gradient = images.bfloat16(), gradient.bfloat16()
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            for_weight = kernels.gradient_of_weight(images, gradient)
            strided = kernels.gradient_of_filter(images, gradient, size=3, stride=1, padding=1)
            found.append((kernels.convolve(images, weight, None), for_weight, strided))
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(a, b) for other in found[1:] for a, b in zip(found[0], other, strict=True))


def passed(kernels: Any, layer: Any, images: Any, arithmetic: str = "bf16") -> tuple[Any, ...]:
    """(how many convolutions the kernels took, output, gradients of images and parameters) of one pass."""
    seen = images.clone(memory_format=torch.preserve_format).requires_grad_()
    with counted() as taken, Arithmetic(CPU, arithmetic).autocast(), ByKernels(kernels):
        output = layer(seen)
    wanted = [seen, *(each for each in layer.parameters() if each.requires_grad)]
    return len(taken), output, torch.autograd.grad(output.float().square().sum(), wanted)


@contextmanager
def counted() -> Iterator[Any]:
    """The convolutions that go to the kernels meanwhile."""
    taken = []
    with pytest.MonkeyPatch.context() as patch:
        convolve = mode.convolve
        patch.setattr(mode, "convolve", lambda *args, **how: (taken.append(args), convolve(*args, **how))[1])
        yield taken


def plain(layer: Any, images: Any) -> tuple[Any, ...]:
    """The same by torch in float32."""
    seen = images.clone(memory_format=torch.preserve_format).requires_grad_()
    output = layer(seen)
    return output, torch.autograd.grad(
        output.square().sum(), [seen, *(p for p in layer.parameters() if p.requires_grad)]
    )


@pytest.mark.parametrize("last", [True, False], ids=["channels last", "channels first"])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("trained", [True, False], ids=["trained", "frozen"])
@pytest.mark.parametrize("stride", [1, 2])
def test_a_layer_that_it_serves_goes_to_it(
    kernels: Kernels, stride: int, last: bool, bias: bool, trained: bool
) -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(64, 32, 3, stride, padding=1, bias=bias).requires_grad_(trained)
    images = draw(4, 64, 10, 7)
    if last:
        layer = layer.to(memory_format=torch.channels_last)
    else:
        images = images.contiguous()
    count, output, gradients = passed(kernels, layer, images)
    expected, expected_gradients = plain(layer, images)
    assert serves(layer) and count == 1 and output.dtype == torch.bfloat16
    assert_close(output.detach(), expected.detach().double())
    assert len(gradients) == len(expected_gradients) == (1 + trained + (trained and bias))
    for ours, theirs in zip(gradients, expected_gradients, strict=True):
        assert ours.dtype == torch.float32
        assert (ours - theirs).norm() <= 0.02 * theirs.norm()


@pytest.mark.parametrize(
    "form",
    [
        {"kernel_size": 1}, {"kernel_size": 5, "padding": 2}, {"kernel_size": (3, 1), "padding": (1, 0)},
        {"stride": 3}, {"stride": (1, 2)}, {"stride": 2, "padding": 0},
        {"padding": 0}, {"padding": 2, "dilation": 2}, {"padding": "same"}, {"padding_mode": "reflect"},
        {"groups": 2}, {"in_channels": 48}, {"out_channels": 40},
    ],
    ids=str,
)  # fmt: skip
def test_other_layers_stay_with_torch(kernels: Kernels, form: dict[str, Any]) -> None:
    layer = nn.Conv2d(**{"in_channels": 32, "out_channels": 32, "kernel_size": 3, "padding": 1, **form})
    images = draw(2, layer.in_channels, 8, 8)
    count, output, _ = passed(kernels, layer, images)
    assert not serves(layer) and count == 0
    with Arithmetic(CPU, "bf16").autocast():
        assert torch.equal(output, layer(images))


def test_tiny_maps_other_arithmetic_and_passes_without_a_gradient_stay_with_torch(kernels: Kernels) -> None:
    layer = nn.Conv2d(32, 32, 3, padding=1)
    assert passed(kernels, layer, draw(2, 32, 3, 8))[0] == 0
    assert passed(kernels, layer, draw(2, 32, 8, 8), "fp32")[0] == 0
    assert passed(kernels, layer.double(), draw(2, 32, 8, 8).double(), "fp32")[0] == 0
    with counted() as taken, torch.no_grad(), Arithmetic(CPU, "bf16").autocast(), ByKernels(kernels):
        layer.float()(draw(2, 32, 8, 8))
    assert not taken


def test_a_compiler_does_not_trace_into_it(kernels: Kernels) -> None:
    layer, images = nn.Conv2d(32, 32, 3, padding=1), draw(2, 32, 8, 8)
    torch._dynamo.reset()
    _, output, gradients = passed(kernels, torch.compile(layer, backend="eager"), images)
    assert_close(output.detach(), plain(layer, images)[0].detach().double())
    assert len(gradients) == 3


def test_an_arithmetic_with_the_kernels_uses_them_to_train_alone(kernels: Kernels) -> None:
    arithmetic = Arithmetic(CPU, "bf16", kernels)
    layer, images = nn.Conv2d(32, 32, 3, padding=1), draw(2, 32, 8, 8)
    with Arithmetic(CPU, "bf16").autocast():
        by_torch = layer(images)
    with arithmetic.autocast():
        assert torch.equal(layer(images), by_torch)
    with arithmetic.autocast_to_train():
        assert not torch.equal(layer(images), by_torch)
        assert_close(layer(images).detach(), layer.float()(images).detach().double())


@pytest.mark.parametrize("wrong", ["convolve", "gradient_of_images", "gradient_of_weight", "gradient_of_filter"])
def test_a_kernel_that_computes_something_else_is_named(
    kernels: Kernels, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    assert disagreement(kernels) is None
    right = getattr(Kernels, wrong)
    monkeypatch.setattr(Kernels, wrong, lambda *args, **how: right(*args, **how) * 1.02)
    assert disagreement(kernels) == "convolution"
