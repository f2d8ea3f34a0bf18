import json

from core.events import Result
from core.report import write_report

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


def test_all_files_are_written_whole_and_nothing_else(make_outcome, tmp_path):
    paths = write_report(make_outcome(), tmp_path)
    assert {path.name for path in paths} == FILES == {path.name for path in tmp_path.iterdir()}
    assert all(path.stat().st_size > 0 for path in paths)


def test_metrics_json_is_the_content_of_the_result_event(make_outcome, tmp_path):
    write_report(make_outcome(), tmp_path)
    stored = json.loads((tmp_path / "metrics.json").read_text())
    result = Result(**stored)
    assert result.metrics["test"]["top1"] == make_outcome().metrics["test"]["top1"]
    assert set(result.baselines) == {"scratch", "finetune"}
