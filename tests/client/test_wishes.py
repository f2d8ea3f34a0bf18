"""Options of `retort submit` become the JSON that the service reads."""

import json

import pytest

from client import wishes

NOTHING = dict.fromkeys(("spec", "teacher", "dataset", "student", "method", "weights", "classes"))


def combine(*assignments, **options):
    return wishes.combine(assignments=assignments, **(NOTHING | options))


def test_three_strings_are_a_job():
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
def test_a_value_is_json_or_else_a_word(text, value):
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
        ({"method": "kd"}, "method.temperature=2", {"name": "kd", "temperature": 2}),
        ({"dataset": "hf://a/b"}, "dataset.max_per_class=9", {"uri": "hf://a/b", "max_per_class": 9}),
    ],
)
def test_a_shorthand_becomes_the_object_it_stands_for(option, assignment, expected):
    (part,) = option
    assert combine(assignment, **option) == {part: expected}


def test_paths_become_uris(tmp_path):
    folder = tmp_path / "photos of mine"
    folder.mkdir()
    weights = tmp_path / "w.safetensors"
    weights.touch()
    spec = combine(dataset=str(folder), teacher="cifar/resnet56", weights=str(weights), classes="cup, mug")
    assert spec["dataset"] == {"uri": folder.as_uri(), "classes": ["cup", "mug"]}
    assert "%20" in spec["dataset"]["uri"]
    assert spec["teacher"] == {"architecture": "cifar/resnet56", "weights": weights.as_uri()}


def test_a_path_that_is_not_there_is_an_error():
    with pytest.raises(ValueError, match=r"there is no file or folder '\./photos' here"):
        combine(dataset="./photos")


def test_a_file_is_the_ground_and_options_win(tmp_path):
    path = tmp_path / "spec.json"
    path.write_text(json.dumps({"student": "nano", "labels": {"a": "1"}, "training": {"epochs": 3, "seed": 1}}))
    spec = combine("training.epochs=5", spec=str(path), student="tiny", labels=["b=2"], name="n")
    assert spec == {
        "student": "tiny",
        "labels": {"a": "1", "b": "2"},
        "training": {"epochs": 5, "seed": 1},
        "name": "n",
    }


@pytest.mark.parametrize(
    ("content", "message"), [("[1]", "holds a JSON list"), ("{", "is no JSON"), (None, "No such file")]
)
def test_a_file_that_is_no_spec_is_said(tmp_path, content, message):
    path = tmp_path / "spec.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ValueError, match=message):
        combine(spec=str(path))


@pytest.mark.parametrize("assignment", ["epochs", "=3", "training..epochs=3", ".x=1"])
def test_an_assignment_that_is_none_is_said(assignment):
    with pytest.raises(ValueError, match=r"is not like training\.epochs=30"):
        combine(assignment)


def test_nothing_cannot_be_set_inside_a_number():
    with pytest.raises(ValueError, match=r"cannot set training\.epochs\.x: training\.epochs is 3"):
        combine("training.epochs=3", "training.epochs.x=1")


def test_nothing_at_all_is_no_job():
    with pytest.raises(ValueError, match="nothing to submit"):
        combine()
