import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.events import Result
from core.results.report import Outcome, write_report

FILES = {
    "labels.json",
    "preprocessing.json",
    "metrics.json",
    "spec.json",
    "model_card.md",
    "report.html",
    "curves.png",
    "confusion.png",
}


@pytest.fixture(scope="module")
def written(make_outcome: Callable[..., Outcome], tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, ...]:
    """The outcome, the folder that its report went to, and the paths that were told."""
    outcome, folder = make_outcome(), tmp_path_factory.mktemp("report")
    return outcome, folder, write_report(outcome, folder)


def test_all_files_are_written_and_nothing_else(written: Any) -> None:
    _, folder, paths = written
    assert {path.name for path in paths} == FILES == {path.name for path in folder.iterdir()}
    assert all(path.stat().st_size > 0 for path in paths)


def test_metrics_json_is_the_content_of_the_result_event(written: Any) -> None:
    outcome, folder, _ = written
    result = Result(**json.loads((folder / "metrics.json").read_text()))
    assert result.metrics == outcome.metrics
    assert result.baselines == outcome.baselines
    assert result.teacher == outcome.teacher


def test_the_other_documents_say_what_the_outcome_says(written: Any) -> None:
    outcome, folder, _ = written
    assert json.loads((folder / "labels.json").read_text()) == list(outcome.classes)
    assert json.loads((folder / "spec.json").read_text()) == outcome.spec
    assert json.loads((folder / "preprocessing.json").read_text()) == outcome.preprocessing


def test_a_figure_that_is_not_finite_is_null(make_outcome: Callable[..., Outcome], tmp_path: Path) -> None:
    outcome = make_outcome()
    outcome.metrics["test"]["loss"] = float("nan")
    write_report(outcome, tmp_path)

    def refuse(constant: Any) -> None:
        raise AssertionError(f"{constant} is no JSON")

    stored = json.loads((tmp_path / "metrics.json").read_text(), parse_constant=refuse)
    assert stored["metrics"]["test"]["loss"] is None
