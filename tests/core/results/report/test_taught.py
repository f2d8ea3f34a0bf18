"""What card and page say of the methods that taught, and of a second domain."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from core.methods import names
from core.results.report import Outcome
from core.results.report.card import model_card
from core.results.report.page import html_page
from core.results.report.taught import method_name, taught
from core.spec import KNOBS


def visible(page: Any) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", page).replace("&#39;", "'").replace("&#34;", '"').split())


def test_a_combination_tells_of_each_of_its_terms(make_outcome: Callable[..., Outcome]) -> None:
    outcome = make_outcome(method=["kd", {"name": "skd", "weight": 3.25}])
    card, page = model_card(outcome), visible(html_page(outcome))
    assert method_name(outcome) == "kd + skd"
    assert "by kd + skd" in page
    for text in (card, page):
        for name in ("kd", "skd"):
            assert KNOBS[name].source in text
            assert KNOBS[name].fidelity in text
    assert "| skd.weight | 3.25 |" in card
    assert "| kd.temperature |" in card
    assert "| method." not in card


@pytest.fixture(scope="module")
def plain_outcome(make_outcome: Callable[..., Outcome]) -> Any:
    return make_outcome(num_test=20, baselines=())


def by_method(outcome: Any, method: Any) -> Any:
    return replace(outcome, spec={**outcome.spec, "method": method})


@pytest.mark.parametrize("name", [name for name in names() if name != "combined"])
def test_every_method_says_its_source_and_how_sure_we_are(plain_outcome: Any, name: Any) -> None:
    outcome = by_method(plain_outcome, KNOBS[name]().model_dump(mode="json"))
    (method,) = taught(outcome)
    assert (method.name, method.fidelity) == (name, KNOBS[name].fidelity)
    card, page = model_card(outcome), visible(html_page(outcome))
    for text in (card, page):
        assert method.source in text
        assert method.fidelity in text


def test_of_a_withdrawn_paper_no_result_is_told(plain_outcome: Any) -> None:
    outcome = by_method(plain_outcome, {"name": "sfr"})
    (method,) = taught(outcome)
    said = f"{method.formula} {method.source} {KNOBS['sfr'].__doc__} {KNOBS['sfr'].source}"
    assert "withdrawn" in said
    assert not re.search(r"\d\s*%|\d+\.\d+ points|accuracy of", said)
    assert "withdrawn" in model_card(outcome) and "withdrawn" in html_page(outcome)


def in_two_domains(outcome: Any) -> Any:
    target = {**outcome.metrics["test"], "top1": 0.6125, "top1_interval": [0.5639, 0.6589], "num_images": 397}
    dataset = {**outcome.spec["dataset"], "target_uri": "file:///data/night|fruit.zip"}
    return replace(outcome, spec={**outcome.spec, "dataset": dataset}, metrics={**outcome.metrics, "target": target})


def test_the_second_domain_is_told_where_it_was_measured(make_outcome: Callable[..., Outcome]) -> None:
    outcome = in_two_domains(make_outcome())
    card, page = model_card(outcome), visible(html_page(outcome))
    assert "| Student | 61.3% | 56.4–65.9% | 397 |" in card
    assert "night\\|fruit.zip" in card
    assert "61.3% 56.4–65.9%" in page and "night|fruit.zip" in page
    assert "| Teacher | 61.3%" not in card


def test_nothing_is_said_of_a_second_domain_that_there_is_not(make_outcome: Callable[..., Outcome]) -> None:
    outcome = make_outcome()
    assert "second domain" not in model_card(outcome)
    assert "second domain" not in html_page(outcome)
