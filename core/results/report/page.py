"""report.html: one self-contained page, dark and light, without scripts, fonts or images from anywhere.

Without scripts, a server may show it under the strictest content policy, whatever a class is called.
"""

import json
from typing import Any

import jinja2

from core.results.report import words
from core.results.report.cards import cards
from core.results.report.charts import calibration, lines
from core.results.report.charts.lines import LineChart, line_chart
from core.results.report.charts.matrix import matrix, mistakes
from core.results.report.classes import class_table
from core.results.report.outcome import Outcome, Series
from core.results.report.rows import rows
from core.results.report.taught import adaptation, deadline, initial_weights, method_name, taught
from core.results.report.verdict import verdict

TERM_COLORS = ("student", "teal", "violet", "rose", "gray")
BASELINE_COLORS = {"scratch": "gray", "finetune": "violet"}


def html_page(outcome: Outcome) -> str:
    """The page. Everything that a user named is escaped by the template engine."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("core.results.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.globals.update(words=words, lines=lines, calibration=calibration)
    return environment.get_template("report.html.j2").render(_content(outcome))


def _content(outcome: Outcome) -> dict[str, Any]:
    test = outcome.metrics.get("test") or {}
    confusion = test.get("confusion") or []
    return {
        "outcome": outcome,
        "title": outcome.spec.get("name") or outcome.student.architecture,
        "method_name": method_name(outcome),
        "methods": taught(outcome),
        "initial_weights": initial_weights(outcome),
        "adaptation": adaptation(outcome),
        "deadline": deadline(outcome),
        "verdict": verdict(outcome),
        "cards": cards(outcome),
        "rows": rows(outcome),
        "charts": _charts(outcome),
        "classes": class_table(outcome),
        "matrix": matrix(confusion, outcome.classes),
        "mistakes": mistakes(confusion, outcome.classes),
        "bars": calibration.reliability_bars(test.get("reliability") or []),
        "test": test,
        "parity": outcome.metrics.get("parity"),
        "spec_text": json.dumps(outcome.spec, ensure_ascii=False, indent=2),
    }


def _charts(outcome: Outcome) -> list[LineChart]:
    curves = outcome.curves
    charts = [
        line_chart("Training loss", _loss_terms(curves), bounds=(0, None)),
        _top1_chart(outcome),
        line_chart("Learning rate", [("learning rate", "ink", curves.get("learning_rate", []))], bounds=(0, None)),
    ]
    return [chart for chart in charts if chart]


def _loss_terms(curves: dict[str, Series]) -> list[tuple[str, str, Series]]:
    names = sorted(name for name in curves if name == "train/loss" or name.startswith("train/loss_"))
    titles = ["sum" if name == "train/loss" else name.removeprefix("train/loss_") for name in names]
    if len(names) == 2:  # the sum of one term is that term
        names, titles = names[:1], ["loss"]
    colors = (TERM_COLORS[place % len(TERM_COLORS)] for place in range(len(names)))
    return [(title, color, curves[name]) for name, title, color in zip(names, titles, colors, strict=True)]


def _top1_chart(outcome: Outcome) -> LineChart | None:
    series = [("student", "student", _percent(outcome.curves.get("val/top1", [])))]
    for name in outcome.baselines:
        points = outcome.curves.get(f"baseline/{name}/val/top1", [])
        series.append((name, BASELINE_COLORS.get(name, "rose"), _percent(points)))
    teacher = ((outcome.teacher or {}).get("validation") or {}).get("top1")
    levels = [] if teacher is None else [("teacher", "teacher", teacher * 100)]
    return line_chart("Validation top-1", series, levels=levels, unit="%")


def _percent(points: Series) -> Series:
    return [[step, None if value is None else value * 100] for step, value in points]
