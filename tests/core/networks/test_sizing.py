"""Sizes rise, budgets hold, and what cannot be had is told with what can."""

import re
from itertools import pairwise

import pytest

from core.errors import BudgetInfeasible, SpecInvalid
from core.networks.budget import LARGE_INPUT_CANDIDATES, SMALL_INPUT_CANDIDATES, facts_of
from core.networks.sizing import (
    LARGE_INPUT_CANDIDATES_BY_SIZE,
    LARGE_INPUT_SIZES,
    SMALL_INPUT,
    SMALL_INPUT_SIZES,
    choose,
)
from core.spec import StudentSpec

SIZES = ["nano", "tiny", "small", "medium"]


@pytest.mark.parametrize(("sizes", "image_size"), [(SMALL_INPUT_SIZES, 32), (LARGE_INPUT_SIZES, 224)])
def test_parameters_and_macs_rise_with_the_size(sizes: dict[str, str], image_size: int) -> None:
    facts = [facts_of(sizes[size], 10, image_size) for size in SIZES]
    for smaller, larger in pairwise(facts):
        assert larger.num_params > smaller.num_params
        assert larger.macs > 1.5 * smaller.macs


def chosen(image_size: int = 32, **student: object) -> tuple[str, str]:
    return choose(StudentSpec(**student), teacher_architecture="cifar/resnet56", image_size=image_size, num_classes=10)


@pytest.mark.parametrize("size", SIZES)
def test_a_size_means_another_network_for_small_and_for_large_inputs(size: str) -> None:
    assert chosen(8, size=size)[0] == chosen(SMALL_INPUT, size=size)[0] == SMALL_INPUT_SIZES[size]
    assert chosen(SMALL_INPUT + 1, size=size)[0] == LARGE_INPUT_SIZES[size]


def test_a_size_prefers_a_network_that_can_begin_with_published_weights() -> None:
    def sized(*at_hand: str) -> tuple[str, str]:
        student = StudentSpec(size="small")
        return choose(
            student,
            teacher_architecture=None,
            image_size=224,
            num_classes=10,
            has_weights=lambda architecture: architecture in at_hand,
        )

    first, second, *_, last = LARGE_INPUT_CANDIDATES_BY_SIZE["small"]
    assert sized(first, last)[0] == sized()[0] == first
    assert sized(last, second)[0] == second
    architecture, reason = sized(last)
    assert architecture == last and first in reason


def test_the_networks_of_a_size_cost_about_the_same() -> None:
    """None is larger than the first of the next size, and all are candidates of a budget."""
    sizes = list(LARGE_INPUT_CANDIDATES_BY_SIZE.items())
    for (_, candidates), (_, larger) in pairwise(sizes[:3]):
        most = facts_of(larger[0], 10, 224).num_params
        assert all(facts_of(name, 10, 224).num_params < 2 * most for name in candidates)
    assert {name for _, names in sizes for name in names} <= set(LARGE_INPUT_CANDIDATES)


def test_same_is_the_teachers_architecture_and_an_architecture_is_itself() -> None:
    assert chosen(size="same")[0] == "cifar/resnet56"
    assert chosen(architecture="cifar/vgg8")[0] == "cifar/vgg8"
    with pytest.raises(SpecInvalid, match="needs a teacher"):
        choose(StudentSpec(size="same"), teacher_architecture=None, image_size=32, num_classes=10)


@pytest.mark.slow
@pytest.mark.parametrize("budget", [
    {"max_params": 300_000}, {"max_macs": 50_000_000}, {"max_bytes": 2_000_000},
    {"max_params": 1_000_000, "max_macs": 30_000_000},
])  # fmt: skip
def test_a_budget_gets_the_network_with_most_macs_inside_it(budget: dict[str, int]) -> None:
    architecture, reason = chosen(budget=budget)

    def fits(name: str) -> bool:
        facts = facts_of(name, 10, 32)
        figures = {"max_params": facts.num_params, "max_macs": facts.macs, "max_bytes": facts.bytes}
        return all(figures[bound] <= limit for bound, limit in budget.items())

    assert fits(architecture)
    larger = [
        name for name in SMALL_INPUT_CANDIDATES if facts_of(name, 10, 32).macs > facts_of(architecture, 10, 32).macs
    ]
    assert not any(fits(name) for name in larger)
    assert f"{facts_of(architecture, 10, 32).num_params:,} parameters" in reason


def test_an_impossible_budget_names_the_least_that_exists() -> None:
    with pytest.raises(BudgetInfeasible) as caught:
        chosen(budget={"max_params": 1000, "max_macs": 10})
    least = min(facts_of(name, 10, 32).num_params for name in SMALL_INPUT_CANDIDATES)
    assert f"max_params 1,000: the least is {least:,} parameters" in caught.value.message
    assert "max_macs 10: the least is" in caught.value.message


def test_a_latency_is_measured_and_kept() -> None:
    architecture, reason = chosen(budget={"max_params": 100_000, "max_latency_ms": 1000})
    assert facts_of(architecture, 10, 32).num_params <= 100_000
    told = re.search(r"([\d.]+) ms of 1000 allowed", reason)
    assert told
    assert 0.05 < float(told[1]) < 1000


def test_a_latency_that_nothing_keeps_is_told_with_the_quickest() -> None:
    with pytest.raises(BudgetInfeasible, match=r"the quickest, cifar/\w+, takes [\d.]+ ms"):
        chosen(budget={"max_params": 80_000, "max_latency_ms": 0.001})
