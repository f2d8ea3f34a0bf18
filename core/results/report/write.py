"""Writes all files of the report from one Outcome."""

import json
import warnings
from pathlib import Path
from typing import Any

from core.files.atomic import atomic_path, write_atomically
from core.results.report.card import model_card
from core.results.report.outcome import Outcome
from core.results.report.page import html_page
from core.results.report.plots import confusion_figure, curves_figure

DOTS_PER_INCH = 150


def write_report(outcome: Outcome, folder: Path) -> list[Path]:
    """Write labels, preprocessing, metrics and spec as JSON, the model card, the HTML page and two plots into `folder`.

    Each file is written atomically. A figure that is not finite is null in metrics.json.
    """
    documents = {
        "labels.json": list(outcome.classes),
        "preprocessing.json": outcome.preprocessing,
        "metrics.json": outcome.result().model_dump(mode="json", exclude={"event", "at"}),
        "spec.json": outcome.spec,
    }
    paths = [write_atomically(folder / name, _json(content)) for name, content in documents.items()]
    paths.append(write_atomically(folder / "model_card.md", model_card(outcome)))
    paths.append(write_atomically(folder / "report.html", html_page(outcome)))
    for name, figure in (("curves.png", curves_figure(outcome)), ("confusion.png", confusion_figure(outcome))):
        with atomic_path(folder / name) as temporary, warnings.catch_warnings():
            # matplotlib's own font has no Chinese, say; the plot then shows boxes, and the page the names.
            warnings.filterwarnings("ignore", message="Glyph .* missing from font")
            figure.savefig(temporary, format="png", dpi=DOTS_PER_INCH)
        paths.append(folder / name)
    return paths


def _json(content: Any) -> str:
    return json.dumps(content, ensure_ascii=False, indent=2, allow_nan=False) + "\n"
