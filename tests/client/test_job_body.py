"""Options of `retort submit` become the JSON that the service reads."""

import inspect
import json
from pathlib import Path
from typing import Any

import pytest

from retort.cli import app
from retort.commands.job_options import spec_of


def combine(*assignments: str, **options: Any) -> dict[str, Any]:
    return spec_of(assignments=list(assignments), **options)


def test_three_strings_are_a_job() -> None:
    spec = combine(teacher="torchvision/resnet50", dataset="s3://shelf/photos.zip", student="small")
    assert spec == {"teacher": "torchvision/resnet50", "dataset": "s3://shelf/photos.zip", "student": "small"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("0.5", 0.5),
        ("true", True),
        ("null", None),
        ("sgd", "sgd"),
        ('["a","b"]', ["a", "b"]),
        ('"3"', "3"),
        ("a=b", "a=b"),
    ],
)
def test_a_value_is_json_or_else_a_word(text: str, value: Any) -> None:
    assert combine(f"training.x={text}") == {"training": {"x": value}}


@pytest.mark.parametrize(
    ("option", "assignment", "expected"),
    [
        ({"teacher": "cifar/resnet56"}, 'teacher.classes=["a"]', {"architecture": "cifar/resnet56", "classes": ["a"]}),
        ({"teacher": "job:job_1"}, "teacher.sha256=x", {"weights": "job:job_1", "sha256": "x"}),
        ({"student": "nano"}, "student.weights=published", {"size": "nano", "weights": "published"}),
        (
            {"student": "cifar/resnet8"},
            "student.weights=published",
            {"architecture": "cifar/resnet8", "weights": "published"},
        ),
        ({"method": ["kd"]}, "method.temperature=2", {"name": "kd", "temperature": 2}),
        ({"dataset": "hf://a/b"}, "dataset.max_per_class=9", {"uri": "hf://a/b", "max_per_class": 9}),
        ({"method": ["kd", "skd"]}, "method.1.weight=2", ["kd", {"name": "skd", "weight": 2}]),
    ],
)
def test_a_shorthand_becomes_the_object_it_stands_for(option: dict[str, Any], assignment: str, expected: Any) -> None:
    (part,) = option
    assert combine(assignment, **option) == {part: expected}


def test_paths_become_uris(tmp_path: Path) -> None:
    folder = tmp_path / "photos of mine"
    folder.mkdir()
    weights = tmp_path / "w.safetensors"
    weights.touch()
    spec = combine(dataset=str(folder), teacher="cifar/resnet56", weights=str(weights), classes="cup, mug")
    assert spec["dataset"] == {"uri": folder.as_uri(), "classes": ["cup", "mug"]}
    assert "%20" in spec["dataset"]["uri"]
    assert spec["teacher"] == {"architecture": "cifar/resnet56", "weights": weights.as_uri()}


def test_a_path_that_is_not_there_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"there is no file or folder '\./photos' here"):
        combine(dataset="./photos")


def test_a_file_is_the_ground_and_options_win(tmp_path: Path) -> None:
    path = tmp_path / "spec.json"
    path.write_text(json.dumps({"student": "nano", "labels": {"a": "1"}, "training": {"epochs": 3, "seed": 1}}))
    spec = combine("training.epochs=5", spec=str(path), student="tiny", label=["b=2"], name="n")
    assert spec == {
        "student": "tiny",
        "labels": {"a": "1", "b": "2"},
        "training": {"epochs": 5, "seed": 1},
        "name": "n",
    }


@pytest.mark.parametrize(
    ("content", "message"), [("[1]", "holds a JSON list"), ("{", "is no JSON"), (None, "No such file")]
)
def test_a_file_that_is_no_spec_is_said(tmp_path: Path, content: str | None, message: str) -> None:
    path = tmp_path / "spec.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ValueError, match=message):
        combine(spec=str(path))


@pytest.mark.parametrize("assignment", ["epochs", "=3", "training..epochs=3", ".x=1"])
def test_an_assignment_that_is_none_is_said(assignment: str) -> None:
    with pytest.raises(ValueError, match=r"is not like training\.epochs=30"):
        combine(assignment)


def test_nothing_cannot_be_set_inside_a_number() -> None:
    with pytest.raises(ValueError, match=r"cannot set training\.epochs\.x: training\.epochs is 3"):
        combine("training.epochs=3", "training.epochs.x=1")


def test_nothing_at_all_is_no_job() -> None:
    with pytest.raises(ValueError, match="nothing to submit"):
        combine()


def test_several_methods_are_a_combination_and_one_is_itself() -> None:
    assert combine(method=["kd"]) == {"method": "kd"}
    assert combine(method=["kd", "skd"]) == {"method": ["kd", "skd"]}
    assert "method" not in combine(student="nano")


def test_further_teachers_and_a_second_domain(tmp_path: Path) -> None:
    spec = combine(
        "more_teachers.0.sha256=x", teacher="cifar/resnet56", more_teacher=["job:job_1"], dataset="hf://a/b",
        target=str(tmp_path),
    )  # fmt: skip
    assert spec == {
        "teacher": "cifar/resnet56",
        "more_teachers": [{"weights": "job:job_1", "sha256": "x"}],
        "dataset": {"uri": "hf://a/b", "target_uri": tmp_path.as_uri()},
    }


@pytest.mark.parametrize("path", ["method.2.weight", "method.kd.weight", "method.2"])
def test_an_item_that_is_not_there_is_said(path: str) -> None:
    with pytest.raises(ValueError, match=r'is none of 0 to 1 of \["kd", "skd"\]'):
        combine(f"{path}=1", method=["kd", "skd"])


def test_submit_and_plan_take_the_same_job() -> None:
    callbacks = [command.callback for command in app.registered_commands if command.callback]
    options = {callback.__name__: set(inspect.signature(callback).parameters) for callback in callbacks}
    assert options["submit"] - options["plan"] == {"idempotency_key", "watch"}
    assert options["plan"] - options["submit"] == set()
