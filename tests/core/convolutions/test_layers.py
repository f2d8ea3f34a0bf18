"""The kernel against sums written out in float64, and what of a network it takes over."""

import itertools

import pytest
import torch
from compiling import needs_kernel
from torch import nn

from core.convolutions import ByKernel, Kernel, load, serves
from core.device import Arithmetic

CPU = torch.device("cpu")
pytestmark = needs_kernel
# (images, input channels, output channels, height, width): odd and even, one tile of a row, more tiles than a gradient
# adds up at once, more than a thread convolves at once, a number of tiles that is not a multiple of eight.
SHAPES = [
    (1, 32, 32, 4, 4), (3, 32, 64, 7, 5), (2, 64, 32, 8, 9), (1, 96, 160, 13, 4), (5, 32, 32, 32, 32),
    (2, 256, 32, 5, 6),
]  # fmt: skip
# Of the largest value. Values are rounded to bfloat16 (0.002 of them on average) once transformed and once at the end.
CLOSE = 0.02


@pytest.fixture(scope="module")
def kernel(tmp_path_factory) -> Kernel:
    return load(tmp_path_factory.mktemp("cache"))


def draw(*shape, seed=0):
    """Values that bfloat16 holds exactly, channels last."""
    drawn = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    return drawn.bfloat16().float().contiguous(memory_format=torch.channels_last)


def summed(images, weight):
    """A convolution as its definition has it: for each place in the filter, the images moved by it, in float64."""
    height, width = images.shape[2:]
    padded = nn.functional.pad(images.double(), (1, 1, 1, 1))
    return sum(
        torch.einsum("nchw,kc->nkhw", padded[:, :, i : i + height, j : j + width], weight[:, :, i, j].double())
        for i, j in itertools.product(range(3), range(3))
    )


def assert_close(ours, theirs):
    assert ours.shape == theirs.shape
    assert (ours.double() - theirs).abs().max() <= CLOSE * theirs.abs().max()
    assert (ours.double() - theirs).norm() <= 0.006 * theirs.norm()


@pytest.mark.parametrize("shape", SHAPES)
def test_it_computes_a_convolution_and_its_gradients(kernel, shape):
    count, inputs, outputs, height, width = shape
    images, weight = draw(count, inputs, height, width), draw(outputs, inputs, 3, 3, seed=1)
    gradient, bias = draw(count, outputs, height, width, seed=2), draw(1, outputs, 1, 1, seed=3).flatten()
    exact = [each.double().requires_grad_() for each in (images, weight)]
    expected = summed(*exact)
    for_images, for_weight = torch.autograd.grad(expected, exact, gradient.double())
    expected = expected.detach()
    low, low_gradient = images.bfloat16(), gradient.bfloat16()
    assert_close(kernel.convolve(low, weight, None), expected)
    assert_close(kernel.convolve(low, weight, bias), expected + bias.double().view(1, -1, 1, 1))
    assert_close(kernel.gradient_of_images(low_gradient, weight), for_images)
    assert_close(kernel.gradient_of_weight(low, low_gradient), for_weight)
    assert_close(kernel.gradient_of_filter(low, low_gradient, size=3, stride=1, padding=1), for_weight)


@pytest.mark.parametrize("form", [(3, 2, 1), (1, 2, 0), (1, 1, 0), (5, 3, 2), (2, 2, 0)], ids=str)
@pytest.mark.parametrize("shape", SHAPES)
def test_it_computes_the_gradients_of_weights_of_any_size_and_stride(kernel, shape, form):
    count, inputs, outputs, height, width = shape
    size, stride, padding = form
    images = draw(count, inputs, height, width)
    weight = draw(outputs, inputs, size, size, seed=1).double().requires_grad_()
    output = nn.functional.conv2d(images.double(), weight, None, stride, padding)
    gradient = draw(*output.shape, seed=2)
    (expected,) = torch.autograd.grad(output, weight, gradient.double())
    found = kernel.gradient_of_filter(images.bfloat16(), gradient.bfloat16(), size=size, stride=stride, padding=padding)
    torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-3)  # nothing is rounded but sums


def test_whole_numbers_come_out_exactly(kernel):
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
    assert torch.equal(kernel.convolve(low, weight, None), expected.bfloat16())
    assert torch.equal(kernel.gradient_of_images(low_gradient, weight), for_images.bfloat16())
    assert torch.equal(kernel.gradient_of_weight(low, low_gradient).double(), for_weight)


def test_the_number_of_threads_changes_nothing(kernel):
    images, weight, gradient = draw(6, 64, 14, 14).bfloat16(), draw(32, 64, 3, 3), draw(6, 32, 14, 14).bfloat16()
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            strided = kernel.gradient_of_filter(images, gradient, size=3, stride=1, padding=1)
            found.append((kernel.convolve(images, weight, None), kernel.gradient_of_weight(images, gradient), strided))
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(a, b) for other in found[1:] for a, b in zip(found[0], other, strict=True))


class Counted(ByKernel):
    """Counts the convolutions that go to the kernel."""

    count = 0

    def _convolve(self, *args, **kwargs):
        self.count += 1
        return super()._convolve(*args, **kwargs)


def passed(kernel, layer, images, arithmetic="bf16"):
    """(how many convolutions the kernel took, output, gradients of images and parameters) of one pass."""
    seen = images.clone(memory_format=torch.preserve_format).requires_grad_()
    mode = Counted(kernel)
    with Arithmetic(CPU, arithmetic).autocast(), mode:
        output = layer(seen)
    wanted = [seen, *(each for each in layer.parameters() if each.requires_grad)]
    return mode.count, output, torch.autograd.grad(output.float().square().sum(), wanted)


def plain(layer, images):
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
def test_a_layer_that_it_serves_goes_to_it(kernel, stride, last, bias, trained):
    torch.manual_seed(0)
    layer = nn.Conv2d(64, 32, 3, stride, padding=1, bias=bias).requires_grad_(trained)
    images = draw(4, 64, 10, 7)
    if last:
        layer = layer.to(memory_format=torch.channels_last)
    else:
        images = images.contiguous()
    count, output, gradients = passed(kernel, layer, images)
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
def test_other_layers_stay_with_torch(kernel, form):
    layer = nn.Conv2d(**{"in_channels": 32, "out_channels": 32, "kernel_size": 3, "padding": 1, **form})
    images = draw(2, layer.in_channels, 8, 8)
    count, output, _ = passed(kernel, layer, images)
    assert not serves(layer) and count == 0
    with Arithmetic(CPU, "bf16").autocast():
        assert torch.equal(output, layer(images))


def test_tiny_maps_other_arithmetic_and_passes_without_a_gradient_stay_with_torch(kernel):
    layer = nn.Conv2d(32, 32, 3, padding=1)
    assert passed(kernel, layer, draw(2, 32, 3, 8))[0] == 0
    assert passed(kernel, layer, draw(2, 32, 8, 8), "fp32")[0] == 0
    assert passed(kernel, layer.double(), draw(2, 32, 8, 8).double(), "fp32")[0] == 0
    mode = Counted(kernel)
    with torch.no_grad(), Arithmetic(CPU, "bf16").autocast(), mode:
        layer.float()(draw(2, 32, 8, 8))
    assert mode.count == 0


def test_a_compiler_does_not_trace_into_it(kernel):
    layer, images = nn.Conv2d(32, 32, 3, padding=1), draw(2, 32, 8, 8)
    torch._dynamo.reset()
    _, output, gradients = passed(kernel, torch.compile(layer, backend="eager"), images)
    assert_close(output.detach(), plain(layer, images)[0].detach().double())
    assert len(gradients) == 3


def test_an_arithmetic_with_the_kernel_uses_it_to_train_alone(kernel):
    arithmetic = Arithmetic(CPU, "bf16", kernel)
    layer, images = nn.Conv2d(32, 32, 3, padding=1), draw(2, 32, 8, 8)
    with Arithmetic(CPU, "bf16").autocast():
        by_torch = layer(images)
    with arithmetic.autocast():
        assert torch.equal(layer(images), by_torch)
    with arithmetic.autocast_to_train():
        assert not torch.equal(layer(images), by_torch)
        assert_close(layer(images).detach(), layer.float()(images).detach().double())


def test_a_kernel_that_computes_something_else_is_refused(kernel, monkeypatch):
    assert kernel.agrees()
    for wrong in ("convolve", "gradient_of_images", "gradient_of_weight", "gradient_of_filter"):
        right = getattr(Kernel, wrong)
        with monkeypatch.context() as patch:
            patch.setattr(Kernel, wrong, lambda *args, right=right, **how: right(*args, **how) * 1.02)
            assert not kernel.agrees()
