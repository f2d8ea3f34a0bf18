import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest

from core.results.report import Outcome
from core.results.report.page import html_page
from core.results.report.verdict import verdict

EVIL = (
    '<img src=x onerror="alert(1)">',
    "</style></script><script>alert(2)</script>",
    "a&b;\" onmouseover='x'",
    "plain",
)
VOID = {"meta", "br", "img", "link", "input", "hr"}
SVG_LEAVES = {"line", "rect", "circle", "path"}
OPTIONAL_END = {"th", "td", "tr", "li", "dt", "dd"}


class Page(HTMLParser):
    """Elements, attributes and visible text, as a browser's tokenizer sees them."""

    def __init__(self, text: Any) -> None:
        super().__init__()
        self.tags, self.attributes, self.text, self.open = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag: Any, attrs: Any) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID | OPTIONAL_END:
            self.open.append(tag)

    def handle_startendtag(self, tag: Any, attrs: Any) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: Any) -> None:
        if tag not in OPTIONAL_END:
            assert self.open.pop() == tag

    def handle_data(self, data: Any) -> None:
        self.text.append(data)


@pytest.mark.parametrize("num_classes", [2, 4, 25, 100])
def test_the_page_is_whole_and_needs_nothing_from_outside(
    make_outcome: Callable[..., Outcome], num_classes: int
) -> None:
    classes = tuple(f"class {index}" for index in range(num_classes))
    page = Page(html_page(make_outcome(classes, num_test=1000)))
    assert page.open == []
    assert not {"script", "img", "link", "iframe", "object", "form", "base"} & set(page.tags)
    assert not {"src", "href", "action", "srcset", "xlink:href"} & {name for name, _ in page.attributes}
    style = html_page(make_outcome(classes)).split("</style>")[0]
    assert "url(" not in style and "@import" not in style and "prefers-color-scheme: dark" in style


def test_what_users_named_stays_text(make_outcome: Callable[..., Outcome]) -> None:
    outcome = make_outcome(EVIL, name=EVIL[0])
    dataset = outcome.dataset.model_copy(
        update={"uri": f"file:///{EVIL[1]}", "unreadable": [EVIL[0]], "num_unreadable": 1}
    )
    page = Page(html_page(replace(outcome, dataset=dataset)))
    assert not {"img", "script"} & set(page.tags)
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    text = "".join(page.text)
    assert all(name in text for name in EVIL)
    assert ("title", EVIL[0]) in page.attributes
    assert page.open == []


def test_the_numbers_of_all_networks_are_on_the_page(make_outcome: Callable[..., Outcome]) -> None:
    outcome = make_outcome()
    text = " ".join("".join(Page(html_page(outcome)).text).split())
    for network in (outcome.metrics, outcome.teacher, *outcome.baselines.values()):
        low, high = network["test"]["top1_interval"]
        assert f"{network['test']['top1'] * 100:.1f}%" in text
        assert f"{low * 100:.1f}–{high * 100:.1f}%" in text
    for words in ("11× fewer", "0.41 ms", verdict(outcome).headline, "9f9f9f", "teacher 96"):
        assert words in text


def test_a_teacher_of_other_classes_is_not_given_an_accuracy(make_outcome: Callable[..., Outcome]) -> None:
    outcome = make_outcome()
    teacher = {**outcome.teacher, "validation": None, "test": None, "covers_classes": False}
    text = "".join(Page(html_page(replace(outcome, teacher=teacher))).text)
    assert "its classes are not these" in text
    assert "the scratch baseline" in text, "classes are then compared with the baseline"


def test_a_job_with_little_to_tell_has_a_page_too(make_outcome: Callable[..., Outcome]) -> None:
    outcome = make_outcome(method="scratch", teacher=False, baselines=())
    metrics = {**outcome.metrics, "latency": None, "parity": None, "seeds": []}
    page = html_page(replace(outcome, metrics=metrics, curves={}, versions={}))
    assert "not measured" in page and "Training loss" not in page


def test_series_that_were_not_finite_do_not_reach_the_drawing(make_outcome: Callable[..., Outcome]) -> None:
    outcome = make_outcome()
    curves = {**outcome.curves, "train/loss": [[0, 1.0], [20, None], [40, 0.5]]}
    paths = re.findall(r' d="([^"]*)"', html_page(replace(outcome, curves=curves)))
    assert paths and not any("nan" in path.lower() or "None" in path for path in paths)


def test_speed_is_compared_only_where_the_measurement_could_tell(make_outcome: Callable[..., Outcome]) -> None:
    outcome = make_outcome()
    assert "6.44× faster (6.1–6.93×)" in html_page(outcome)
    assert outcome.teacher is not None
    teacher = {**outcome.teacher, "latency": {**outcome.metrics["latency"], "p50_ms": 9.0}}
    metrics = {**outcome.metrics, "latency": {**outcome.metrics["latency"], "speedup": None}}
    page = html_page(replace(outcome, teacher=teacher, metrics=metrics))
    assert "faster" not in page
    assert "no difference that could be measured" in page
