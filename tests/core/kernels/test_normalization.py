"""Batch norms by the kernels, with what follows them, against formulas in float64 and against torch in float32."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from compiling import needs_kernels
from drawn import draw
from torch import nn
from torch.nn import functional as F

from core.kernels import Kernels, serves
from core.kernels.agreement import disagreement
from core.kernels.calls import Activation
from core.networks import zoo
from core.networks.inference import in_layout
from core.system.device import Arithmetic

CPU = torch.device("cpu")
pytestmark = needs_kernels
EPSILON = 1e-5
# (images, channels, height, width): fewer pixels than are added up at once, no multiple of that, more than all shares
# take in one go.
SHAPES = [(2, 16, 3, 3), (3, 48, 7, 5), (5, 32, 46, 47), (2, 512, 4, 4)]
FORMULAS = {
    Activation.NONE: lambda z: z,
    Activation.RELU: lambda z: z.clamp(min=0),
    Activation.RELU6: lambda z: z.clamp(0, 6),
    Activation.HARDSWISH: lambda z: z * (z + 3).clamp(0, 6) / 6,
}


def parameters(channels: Any) -> tuple[Any, ...]:
    """Weight and bias; such that activations cut something off on either side."""
    return 3 + draw(1, channels, 1, 1, seed=5).flatten(), 3 * draw(1, channels, 1, 1, seed=6).flatten()


def assert_rounded(ours: Any, exact: Any) -> None:
    """bfloat16 has eight bits."""
    assert ours.dtype == torch.bfloat16 and ours.shape == exact.shape
    torch.testing.assert_close(ours.double(), exact, rtol=2**-8, atol=2e-5)


@pytest.mark.parametrize(
    ("carries", "activation"),
    [*((False, each) for each in Activation), (True, Activation.NONE), (True, Activation.RELU)],
)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_it_computes_the_formula_and_its_gradients(kernels: Kernels, shape: Any, carries: Any, activation: Any) -> None:
    images, carried, gradient = 2 + draw(*shape), draw(*shape, seed=1), draw(*shape, seed=2)
    images = images.bfloat16().float()
    weight, bias = parameters(shape[1])
    exact = [each.double().requires_grad_() for each in (images, carried, weight, bias)]
    mean = exact[0].mean((0, 2, 3), keepdim=True)
    variance = (exact[0] - mean).square().mean((0, 2, 3), keepdim=True)
    normalized = (exact[0] - mean) / (variance + EPSILON).sqrt()
    z = normalized * exact[2].view(1, -1, 1, 1) + exact[3].view(1, -1, 1, 1) + (exact[1] if carries else 0)
    expected = FORMULAS[activation](z)
    theirs = torch.autograd.grad(expected, exact, gradient.double(), allow_unused=True)

    low, low_carried = images.bfloat16(), carried.bfloat16() if carries else None
    running = torch.zeros(shape[1]), torch.ones(shape[1])
    statistics = kernels.statistics(low, weight, bias, EPSILON, *running, momentum=0.25)
    made = kernels.normalize(low, statistics, low_carried, activation)
    assert_rounded(made, expected.detach())
    pixels = images.numel() // shape[1]
    torch.testing.assert_close(running[0].double(), 0.25 * mean.detach().flatten(), rtol=1e-5, atol=1e-6)
    unbiased = variance.detach().flatten() * pixels / (pixels - 1)
    torch.testing.assert_close(running[1].double(), 0.75 + 0.25 * unbiased, rtol=1e-5, atol=1e-6)

    needed = made if carries and activation is Activation.RELU else None
    for_images, for_carried, for_weight, for_bias = kernels.gradients_of_normalization(
        gradient.bfloat16(), low, statistics, weight, activation, made=needed, carried=carries
    )
    assert_rounded(for_images, theirs[0])
    assert (for_carried is not None) == carries
    if carries:
        assert torch.equal(for_carried.double(), theirs[1])
    torch.testing.assert_close(for_weight.double(), theirs[2], rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(for_bias.double(), theirs[3], rtol=1e-4, atol=1e-3)


def test_the_number_of_threads_changes_nothing(kernels: Kernels) -> None:
    images, gradient = (draw(6, 32, 40, 40, seed=seed).bfloat16() for seed in (0, 1))
    weight, bias = parameters(32)
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            statistics = kernels.statistics(images, weight, bias, EPSILON, None, None, 0.1)
            made = kernels.normalize(images, statistics, None, Activation.RELU)
            gradients = kernels.gradients_of_normalization(gradient, images, statistics, weight, Activation.RELU)
            found.append((statistics, made, *(each for each in gradients if each is not None)))
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(a, b) for other in found[1:] for a, b in zip(found[0], other, strict=True))


@pytest.mark.parametrize("activation", Activation)
def test_what_is_no_number_stays_none(kernels: Kernels, activation: Any) -> None:
    """In its channel alone; a ReLU would not hide that a training has diverged."""
    images, (weight, bias) = draw(4, 32, 8, 8).bfloat16(), parameters(32)
    images[1, 5, 2, 3] = torch.nan
    statistics = kernels.statistics(images, weight, bias, EPSILON, None, None, 0.1)
    made = kernels.normalize(images, statistics, None, activation)
    for_images, *_ = kernels.gradients_of_normalization(made, images, statistics, weight, activation)
    for found in (made, for_images):
        is_none = found.isnan().flatten(2).all(2).all(0)
        assert is_none.tolist() == [channel == 5 for channel in range(32)] and found.isnan().sum() == 4 * 64


class Counting(Kernels):
    """The kernels, which count what they are asked for."""

    def __init__(self, kernels: Any) -> None:
        self._library, self.statistics_made, self.written = kernels._library, 0, []

    def statistics(self, *args: Any) -> Any:
        self.statistics_made += 1
        return super().statistics(*args)

    def normalize(self, images: Any, statistics: Any, carried: Any, activation: Any) -> Any:
        self.written.append(("sum " if carried is not None else "") + activation.name.lower())
        return super().normalize(images, statistics, carried, activation)


class Layer(nn.Module):
    """Two batch norms, and something done with them."""

    def __init__(self, follow: Any, momentum: float = 0.1) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.norms = nn.ModuleList(nn.BatchNorm2d(32, momentum=momentum) for _ in range(2))
        for norm in self.norms:
            nn.init.uniform_(norm.weight, 0.5, 2), nn.init.normal_(norm.bias)
        self.follow = follow

    def forward(self, maps: Any) -> Any:
        return self.follow(*self.norms, maps)


def add_in_place(a: Any, b: Any, x: Any, activate: Any = lambda map: map) -> Any:
    out = a(x)
    out += x
    return activate(out)


def add_to_itself(out: Any) -> Any:
    out += out
    return out


def use_twice(a: Any, b: Any, x: Any) -> Any:
    out = a(x)
    return F.relu(out) * out


def relu_in_place_seen_before(a: Any, b: Any, x: Any) -> Any:
    out = a(x)
    return out * F.relu(out, inplace=True)


# What follows, and what the kernels then write in one pass each.
FOLLOWING = {
    "nothing": (lambda a, b, x: a(x), ["none"]),
    "relu": (lambda a, b, x: F.relu(a(x)), ["relu"]),
    "torch.relu": (lambda a, b, x: torch.relu(a(x)), ["relu"]),
    "method relu": (lambda a, b, x: a(x).relu(), ["relu"]),
    "method relu_": (lambda a, b, x: a(x).relu_(), ["relu"]),
    "module in place": (lambda a, b, x: nn.ReLU(inplace=True)(a(x)), ["relu"]),
    "relu6": (lambda a, b, x: nn.ReLU6()(a(x)), ["relu6"]),
    "function relu6": (lambda a, b, x: F.relu6(a(x)), ["relu6"]),
    "hardtanh": (lambda a, b, x: nn.Hardtanh()(a(x)), ["none"]),
    "hardswish": (lambda a, b, x: nn.Hardswish()(a(x)), ["hardswish"]),
    "sigmoid": (lambda a, b, x: a(x).sigmoid(), ["none"]),
    "sum": (lambda a, b, x: a(x) + x, ["sum none"]),
    "sum from the right": (lambda a, b, x: x + a(x), ["sum none"]),
    "sum and relu": (lambda a, b, x: F.relu(torch.add(a(x), x)), ["sum relu"]),
    "sum and relu6": (lambda a, b, x: F.relu6(a(x) + x), ["sum none"]),
    "sum in place": (add_in_place, ["sum none"]),
    "sum and relu in place": (lambda a, b, x: add_in_place(a, b, x, nn.ReLU(inplace=True)), ["sum relu"]),
    "sum with itself": (lambda a, b, x: add_to_itself(a(x)), ["none"]),
    "two sums": (lambda a, b, x: F.relu(a(x) + x + x), ["sum none"]),
    "scaled sum": (lambda a, b, x: torch.add(a(x), x, alpha=2), ["none"]),
    "sum with a number": (lambda a, b, x: a(x) + 1, ["none"]),
    "sum with a smaller map": (lambda a, b, x: a(x) + x[:1], ["none"]),
    "two norms": (lambda a, b, x: F.relu(a(x) + b(x)), ["none", "sum relu"]),
    "one after the other": (lambda a, b, x: b(F.relu(a(x))), ["relu", "none"]),
    "at once": (lambda a, b, x: b(a(x)), ["none", "none"]),
    "beside others": (lambda a, b, x: torch.cat([a(x), x], dim=1), ["none"]),
    "used twice": (use_twice, ["relu", "none"]),
    "seen before the relu in place": (relu_in_place_seen_before, ["relu"]),
}


@pytest.mark.parametrize("name", FOLLOWING)
def test_what_follows_goes_into_the_same_pass(kernels: Kernels, name: Any) -> None:
    follow, written = FOLLOWING[name]
    counting, low = Counting(kernels), Arithmetic(CPU, "bf16")
    ours = passed(Layer(follow), replace(low, kernels=counting))
    by_torch, exact = passed(Layer(follow), low), passed(Layer(follow).double(), Arithmetic(CPU, "fp32"), torch.double)
    assert sorted(counting.written) == sorted(written) and counting.statistics_made == len(used(follow))
    assert ours.keys() == exact.keys()
    for place, wanted in exact.items():
        error, theirs = ((found[place].double() - wanted.double()).norm() for found in (ours, by_torch))
        assert error <= max(0.02 * wanted.double().norm(), 1.2 * theirs), place


def passed(layer: Any, arithmetic: Any, dtype: Any = torch.bfloat16) -> dict[Any, Any]:
    """Output, gradients and statistics after one pass, by name."""
    images = draw(4, 32, 9, 6).requires_grad_()
    with arithmetic.autocast_to_train():
        output = layer(images.to(dtype))
    (output.double() * draw(*output.shape, seed=3)).sum().backward()
    gradients = {name: each.grad for name, each in layer.named_parameters() if each.grad is not None}
    return {"output": output.detach(), "images": images.grad, **gradients, **dict(layer.named_buffers())}


def used(follow: Any) -> Any:
    """The batch norms that are gone through, with repetitions."""
    calls = []
    follow(
        *(lambda maps, place=place: (calls.append(place), maps.clone())[1] for place in range(2)),
        torch.zeros(4, 1, 9, 6),
    )
    return calls


@pytest.mark.parametrize("momentum", [0.3, None], ids=["moving", "cumulative"])
def test_running_statistics_move_as_torch_moves_them(kernels: Kernels, momentum: float | None) -> None:
    by_kernels, by_torch = Layer(lambda a, b, x: a(x), momentum), Layer(lambda a, b, x: a(x), momentum)
    for step in range(3):
        images = step + draw(4, 32, 9, 6, seed=step)
        with Arithmetic(CPU, "bf16", kernels).autocast_to_train():
            by_kernels(images.bfloat16())
        by_torch(images.bfloat16().float())
    for ours, theirs in zip(by_kernels.buffers(), by_torch.buffers(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("norm", "shape", "precision"),
    [
        (nn.BatchNorm2d(32).eval(), (2, 32, 4, 4), "bf16"),
        (nn.BatchNorm2d(32, affine=False), (2, 32, 4, 4), "bf16"),
        (nn.BatchNorm2d(24), (2, 24, 4, 4), "bf16"),
        (nn.BatchNorm2d(32).bfloat16(), (2, 32, 4, 4), "bf16"),
        (nn.BatchNorm1d(32), (8, 32), "bf16"),
        (nn.BatchNorm2d(32), (2, 32, 4, 4), "fp32"),
    ],
    ids=["evaluated", "no weight", "24 channels", "weight in bfloat16", "vectors", "fp32"],
)
def test_others_stay_with_torch(kernels: Kernels, norm: Any, shape: tuple[int, ...], precision: str) -> None:
    counting = Counting(kernels)
    images = torch.randn(shape, dtype=torch.bfloat16 if precision == "bf16" else torch.float32)
    with Arithmetic(CPU, precision, counting).autocast_to_train():
        assert type(norm(images)) is torch.Tensor
    with torch.no_grad(), Arithmetic(CPU, "bf16", counting).autocast_to_train():
        nn.BatchNorm2d(32)(draw(2, 32, 4, 4).bfloat16())
    assert counting.statistics_made == 0


def test_one_value_a_channel_is_refused_as_torch_refuses_it(kernels: Kernels) -> None:
    with (
        Arithmetic(CPU, "bf16", kernels).autocast_to_train(),
        pytest.raises(ValueError, match="more than 1 value per channel"),
    ):
        nn.BatchNorm2d(32)(draw(1, 32, 1, 1).bfloat16())


def test_a_map_that_leaves_the_pass_is_computed_when_it_is_asked_for(kernels: Kernels) -> None:
    norm, images, kept = nn.BatchNorm2d(32), draw(2, 32, 4, 4), []
    norm.register_forward_hook(lambda module, inputs, output: kept.append(output))
    with Arithmetic(CPU, "bf16", kernels).autocast_to_train():
        norm(images.bfloat16())
    assert kept[0].shape == (2, 32, 4, 4) and kept[0].requires_grad
    kept[0].float().square().sum().backward()
    expected = F.batch_norm(images, None, None, training=True)
    assert (kept[0].detach().float() - expected).norm() <= 0.01 * expected.norm()
    torch.testing.assert_close(norm.bias.grad, 2 * expected.sum((0, 2, 3)), rtol=0.01, atol=0.5)


def test_what_was_changed_meanwhile_is_an_error_rather_than_a_wrong_sum(kernels: Kernels) -> None:
    norm, images = nn.BatchNorm2d(32), draw(2, 32, 4, 4).bfloat16()
    with Arithmetic(CPU, "bf16", kernels).autocast_to_train():
        carried = images.clone()
        total = norm(images) + carried
        carried.zero_()
        with pytest.raises(RuntimeError, match="changed in place"):
            total.relu()


def test_a_function_that_goes_past_torch_is_an_error_rather_than_a_lost_gradient(kernels: Kernels) -> None:
    class Double(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, maps: Any) -> Any:
            return 2 * maps

        @staticmethod
        def backward(ctx: Any, gradient: Any) -> Any:
            return 2 * gradient

    with Arithmetic(CPU, "bf16", kernels).autocast_to_train():
        output = Double.apply(nn.BatchNorm2d(32)(draw(2, 32, 4, 4).bfloat16()))
    with pytest.raises(RuntimeError, match=r"training\.kernels"):
        output.float().sum().backward()


# Basic blocks, wide and narrow, blocks with the norm first, plain layers, inverted residuals with hardswish.
NETWORKS = ["cifar/resnet8x4", "cifar/resnet20", "cifar/wrn_16_2", "cifar/vgg8", "torchvision/mobilenet_v3_small"]


@pytest.mark.parametrize("architecture", NETWORKS)
def test_a_network_learns_as_by_torch(kernels: Kernels, architecture: Any) -> None:
    """The gradient of a step is no further from float32's than torch's in bfloat16 is."""
    counting, gradients = Counting(kernels), {}
    low = Arithmetic(CPU, "bf16")
    for name, arithmetic in {
        "exact": Arithmetic(CPU, "fp32"), "torch": low, "ours": replace(low, kernels=counting),
    }.items():  # fmt: skip
        torch.manual_seed(0)
        network = in_layout(zoo.build(architecture, 10, image_size=64).train())
        for module in network.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
        with arithmetic.autocast_to_train():
            found = network.features(
                arithmetic.laid_out(draw(16, 3, 64, 64).sigmoid()), tuple(tap.path for tap in network.tap_points)
            )
        total = F.cross_entropy(found.logits.float(), torch.arange(16) % 10)
        (total + sum(map.float().square().mean() for map in found.maps)).backward()
        gradients[name] = torch.cat([each.grad.flatten() for each in network.parameters()])
    norms = sum(serves(module) and isinstance(module, nn.BatchNorm2d) for module in network.modules())
    assert counting.statistics_made == norms >= 5
    error, theirs = ((gradients[name] - gradients["exact"]).norm() for name in ("ours", "torch"))
    assert error <= 1.2 * theirs and theirs < 0.5 * gradients["exact"].norm()


@pytest.mark.parametrize("wrong", ["statistics", "normalize", "gradients_of_normalization"])
def test_a_kernel_that_computes_something_else_is_named(
    kernels: Kernels, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    right = getattr(Kernels, wrong)

    def off(*args: Any, **how: Any) -> Any:
        found = right(*args, **how)
        return tuple(each * 1.02 for each in found) if isinstance(found, tuple) else found * 1.02

    monkeypatch.setattr(Kernels, wrong, off)
    assert disagreement(kernels) == "batch norm"
