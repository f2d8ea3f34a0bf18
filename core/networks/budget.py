"""Finds the largest architecture within a budget, among the candidates for an input size."""

import statistics
import time
from collections.abc import Callable
from functools import cache

import torch

from core.errors import BudgetInfeasible
from core.events import NetworkFacts
from core.networks.facts import measure_module
from core.networks.trace import example_pixels, undisturbed
from core.networks.zoo import build, make
from core.spec import Budget

POINTER = "/student/budget"
SMALL_INPUT_CANDIDATES = tuple(
    f"cifar/{name}"
    for name in (
        *("resnet8", "resnet14", "resnet20", "resnet32", "resnet44", "resnet56", "resnet110"),
        *("resnet8x2", "resnet14x2", "resnet20x2", "resnet8x4", "resnet14x4", "resnet20x4", "resnet32x4"),
        *("wrn_10_1", "wrn_16_1", "wrn_16_2", "wrn_16_4", "wrn_28_2", "wrn_28_4", "wrn_40_1", "wrn_40_2", "wrn_40_4"),
        *("vgg8", "vgg13", "mobilenetv2", "shufflenetv1", "shufflenetv2_x0_5", "shufflenetv2", "shufflenetv2_x1_5"),
    )
)
LARGE_INPUT_CANDIDATES = (
    *(f"timm/{name}" for name in ("lcnet_050", "lcnet_075", "mobilenetv3_small_050", "mobilenetv3_small_075")),
    *(f"timm/{name}" for name in ("lcnet_100", "mobilenetv3_small_100", "mobilenetv3_large_100")),
    *(f"timm/{name}" for name in ("mobilenetv4_conv_small", "mobilenetv4_conv_medium.e500_r224_in1k")),
    *(f"timm/{name}" for name in ("efficientnet_lite0", "tf_efficientnet_lite0")),
    *(f"timm/{name}+pruned640" for name in ("efficientnet_lite0", "tf_efficientnet_lite0")),
    *(f"tensorflow/mobilenet_v1_{width}" for width in ("025", "050", "075", "100")),
    *(f"timm/{name}" for name in ("resnet10t", "resnet14t", "convnextv2_atto", "convnextv2_femto")),
    *(f"torchvision/{name}" for name in ("shufflenet_v2_x0_5", "shufflenet_v2_x1_0", "shufflenet_v2_x1_5")),
    *(f"torchvision/{name}" for name in ("mobilenet_v3_small", "mobilenet_v3_large", "mobilenet_v2")),
    *(f"torchvision/{name}" for name in ("mnasnet0_5", "efficientnet_b0", "efficientnet_b1", "convnext_tiny")),
    *(f"torchvision/{name}" for name in ("resnet18", "resnet34", "resnet50", "resnet101")),
)
TIMED_RUNS = 15
WARM_UP_RUNS = 3
UNITS: dict[str, tuple[Callable[[NetworkFacts], int], str]] = {
    "max_params": (lambda facts: facts.num_params, "parameters"),
    "max_macs": (lambda facts: facts.macs, "multiply-accumulates"),
    "max_bytes": (lambda facts: facts.bytes, "bytes"),
}


def largest_within(
    budget: Budget, candidates: tuple[str, ...], *, image_size: int, num_classes: int
) -> tuple[str, str]:
    """(architecture, one sentence why): the one with the most multiply-accumulates that keeps every bound.

    Latency is the median of one image on one thread of this machine, measured with torch, starting with the largest
    candidate. Raises BudgetInfeasible, which names the smallest figures that exist.
    """
    measured = [facts_of(name, num_classes, image_size) for name in candidates]
    fitting = [facts for facts in measured if _keeps(budget, facts)]
    if not fitting:
        raise BudgetInfeasible(_smallest(budget, measured, image_size), pointer=POINTER)
    fitting.sort(key=lambda facts: facts.macs, reverse=True)
    if budget.max_latency_ms is None:
        return _chosen(fitting[0], len(fitting), len(candidates), "")
    return _quick_enough(fitting, budget.max_latency_ms, len(candidates))


@cache
def facts_of(architecture: str, num_classes: int, image_size: int) -> NetworkFacts:
    """Parameters, MACs and bytes of an architecture at this input size, computed without allocating its weights."""
    with torch.device("meta"):
        module, _, form = make(architecture, num_classes, image_size)
    return measure_module(module, architecture, num_classes, form.size)


def _keeps(budget: Budget, facts: NetworkFacts) -> bool:
    bounds = ((getattr(budget, bound), figure(facts)) for bound, (figure, _) in UNITS.items())
    return all(bound is None or figure <= bound for bound, figure in bounds)


def _quick_enough(fitting: list[NetworkFacts], max_latency_ms: float, num_candidates: int) -> tuple[str, str]:
    slowest: list[tuple[float, str]] = []
    for facts in fitting:
        network = build(facts.architecture, facts.num_classes, image_size=facts.input_size)
        latency_ms = latency(network.module, network.input.size)
        if latency_ms <= max_latency_ms:
            told = f", {latency_ms:.2f} ms of {max_latency_ms:g} allowed"
            return _chosen(facts, len(fitting), num_candidates, told)
        slowest.append((latency_ms, facts.architecture))
    quickest_ms, quickest = min(slowest)
    raise BudgetInfeasible(
        f"no architecture within the other bounds needs at most {max_latency_ms:g} ms on one thread of this machine; "
        f"the quickest, {quickest}, takes {quickest_ms:.2f} ms",
        pointer=f"{POINTER}/max_latency_ms",
    )


def latency(module: torch.nn.Module, size: int) -> float:
    """Median milliseconds for one image on one thread."""
    pixels, threads = example_pixels(module, size), torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with undisturbed(module):
            seconds = [_seconds(module, pixels) for _ in range(WARM_UP_RUNS + TIMED_RUNS)]
    finally:
        torch.set_num_threads(threads)
    return 1000 * statistics.median(seconds[WARM_UP_RUNS:])


def _seconds(module: torch.nn.Module, pixels: torch.Tensor) -> float:
    start = time.perf_counter()
    module(pixels)
    return time.perf_counter() - start


def _chosen(facts: NetworkFacts, num_fitting: int, num_candidates: int, told: str) -> tuple[str, str]:
    figures = f"{facts.num_params:,} parameters, {facts.macs:,} MACs, {facts.bytes:,} bytes{told}"
    share = f"{num_fitting} of {num_candidates} candidates"
    return facts.architecture, f"the most multiply-accumulates among {share} within the budget: {figures}"


def _smallest(budget: Budget, measured: list[NetworkFacts], image_size: int) -> str:
    told = []
    for bound, (figure, unit) in UNITS.items():
        if (limit := getattr(budget, bound)) is not None:
            least = min(measured, key=figure)
            told.append(f"{bound} {limit:,}: the least is {figure(least):,} {unit} ({least.architecture})")
    return f"no architecture for images of {image_size} pixels fits the budget. {'; '.join(told)}"
