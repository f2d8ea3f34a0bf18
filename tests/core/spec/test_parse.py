"""The vocabulary: what is said, what is refused, and whether the refusal names the place and the near misses."""

import json
import math
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from core.errors import SpecInvalid
from core.events import Failure
from core.spec import JobSpec, parse_job

SMALLEST = {"teacher": "torchvision/resnet50", "dataset": "s3://shelf/photos.zip", "student": "small"}
# design.md, section 4
LARGEST = {
    "name": "shelf-v3",
    "labels": {"team": "retail"},
    "teacher": {
        "architecture": "cifar/resnet56",
        "weights": "file:///teachers/resnet56.safetensors",
        "classes": ["cup", "bottle", "can"],
        "sha256": "0" * 64,
    },
    "dataset": {
        "uri": "https://example.org/photos.zip",
        "format": "auto",
        "classes": ["cup", "bottle"],
        "class_map": {"mug": "cup"},
        "validation_fraction": 0.1,
        "test_fraction": 0.1,
        "target_uri": None,
        "max_per_class": None,
    },
    "student": {"architecture": "cifar/resnet8x4"},
    "method": {"name": "skd", "weight": 1.0},
    "training": {
        "epochs": 60,
        "batch_size": 64,
        "learning_rate": 0.05,
        "optimizer": "sgd",
        "schedule": "cosine",
        "precision": "auto",
        "seed": 0,
        "devices": "auto",
        "max_runtime_seconds": None,
        "early_stopping": {"metric": "val/top1", "patience": 10},
    },
    "evaluation": {"baselines": ["scratch", "finetune"], "seeds": 1},
    "exports": ["safetensors", "onnx"],
    "priority": 0,
}


def errors_of(**changes: Any) -> dict[str, Any]:
    """Pointer -> what is wrong, for the smallest job with these fields instead."""
    with pytest.raises(SpecInvalid) as caught:
        parse_job({**SMALLEST, **changes})
    return dict(caught.value.errors)


def test_three_strings_are_a_job() -> None:
    job = parse_job(SMALLEST)
    assert (job.teacher.architecture, job.dataset.uri, job.student.size) == tuple(SMALLEST.values())
    assert job.method.name == "pkd"


@pytest.mark.parametrize(
    ("field", "short", "long"),
    [
        ("teacher", "cifar/resnet56", {"architecture": "cifar/resnet56"}),
        ("teacher", "job:job_01J", {"weights": "job:job_01J"}),
        ("teacher", "file:///t.safetensors", {"weights": "file:///t.safetensors"}),
        ("dataset", "builtin:digits", {"uri": "builtin:digits"}),
        ("student", "nano", {"size": "nano"}),
        ("student", "cifar/resnet8x4", {"architecture": "cifar/resnet8x4"}),
        ("method", "kd", {"name": "kd"}),
    ],
)
def test_a_string_says_what_its_object_says(field: str, short: str, long: dict[str, Any]) -> None:
    assert parse_job({**SMALLEST, field: short}) == parse_job({**SMALLEST, field: long})


def test_the_example_of_the_design_is_a_job() -> None:
    job = parse_job(LARGEST)
    for name in ("teacher", "dataset", "training", "evaluation", "method"):
        assert LARGEST[name].items() <= job.model_dump(mode="json")[name].items()


@pytest.mark.parametrize("document", [SMALLEST, LARGEST, {"dataset": "builtin:digits", "student": "nano"}])
def test_what_is_dumped_is_the_same_job_again(document: Any) -> None:
    job = parse_job(document)
    dumped = json.loads(json.dumps(job.model_dump(mode="json"), allow_nan=False))
    assert parse_job(dumped) == job


def test_without_a_teacher_the_method_is_scratch() -> None:
    assert parse_job({"dataset": "builtin:digits", "student": "nano"}).method.name == "scratch"
    assert parse_job({"teacher": None, "dataset": "builtin:digits", "student": "nano"}).method.name == "scratch"


def test_every_part_is_frozen() -> None:
    job = parse_job(LARGEST)
    for part in (job, job.teacher, job.dataset, job.student, job.method, job.training, job.evaluation):
        with pytest.raises(ValidationError, match="frozen"):
            setattr(part, next(iter(type(part).model_fields)), None)


@pytest.mark.parametrize(
    ("changes", "pointer", "words"),
    [
        ({"datset": "x"}, "/datset", ["unknown field 'datset'", "'dataset'"]),
        ({"training": {"epohcs": 3}}, "/training/epohcs", ["'epohcs'", "'epochs'"]),
        ({"training": {"early_stopping": {"patients": 3}}}, "/training/early_stopping/patients", ["'patience'"]),
        ({"method": {"name": "kd", "temprature": 2}}, "/method/temprature", ["'temprature'", "'temperature'"]),
        ({"method": {"name": "skd", "temperature": 2}}, "/method/temperature", ["unknown field 'temperature'", "form"]),
        ({"student": {"budget": {"max_param": 3}}}, "/student/budget/max_param", ["'max_params'"]),
        ({"method": "sdk"}, "/method", ["unknown method 'sdk'", "'skd'"]),
        ({"method": {"name": "kdd"}}, "/method", ["unknown method 'kdd'", "'kd'"]),
        ({"student": "smal"}, "/student", ["unknown size 'smal'", "'small'", "nano, tiny", "cifar/<name>"]),
        ({"dataset": "s4://b/x"}, "/dataset/uri", ["unknown scheme 's4:'", "'s3:'"]),
        ({"dataset": {"uri": "ftp://b/x"}}, "/dataset/uri", ["unknown scheme 'ftp:'", "http:"]),
        ({"dataset": "photos.zip"}, "/dataset/uri", ["'photos.zip' has no scheme", "file:///path/to/photos.zip"]),
        ({"teacher": "resnet50"}, "/teacher/architecture", ["'resnet50' is no architecture", "torchvision/<name>"]),
        ({"teacher": {"weights": "builtin:digits"}}, "/teacher/weights", ["unknown scheme 'builtin:'"]),
        ({"teacher": {"classes": ["a"]}}, "/teacher", ["needs an architecture, weights, or both"]),
        ({"teacher": {"architecture": "cifar/resnet8", "classes": ["a", "a"]}}, "/teacher", ["repeat"]),
        ({"teacher": {"architecture": "cifar/resnet8", "sha256": "ff"}}, "/teacher/sha256", ["64 digits", "'ff'"]),
        ({"student": {}}, "/student", ["exactly one of size, architecture and budget; got none"]),
        ({"student": {"size": "nano", "architecture": "cifar/resnet8"}}, "/student", ["got size, architecture"]),
        ({"student": {"budget": {}}}, "/student/budget", ["at least one of max_params"]),
        ({"dataset": {"uri": "builtin:digits", "classes": ["1"]}}, "/dataset/classes", ["at least 2"]),
        ({"dataset": {"uri": "builtin:digits", "class_map": {"a/b": 3}}}, "/dataset/class_map/a~1b", ["string", "3"]),
        ({"labels": {"x": 3}}, "/labels/x", ["string", "3"]),
        ({"training": {"epochs": 0}}, "/training/epochs", ["greater than or equal to 1", "auto", "0"]),
        ({"training": {"learning_rate": -1}}, "/training/learning_rate", ["greater than 0", "-1"]),
        ({"training": {"batch_size": "big"}}, "/training/batch_size", ["'big'", "auto"]),
        ({"training": {"optimizer": "adma"}}, "/training/optimizer", ["'sgd', 'muon' or 'adamw'", "'adma'"]),
        ({"training": {"seed": 2**31}}, "/training/seed", ["less than"]),
        ({"training": 3}, "/training", ["TrainingSpec"]),
        ({"evaluation": {"baselines": ["scratch", "scratch"]}}, "/evaluation", ["named twice"]),
        (
            {"evaluation": {"baselines": ["kd"]}},
            "/evaluation/baselines/0",
            ["'scratch', 'finetune' or 'finetune_student'", "'kd'"],
        ),
        ({"exports": []}, "/exports", ["at least 1"]),
        ({"webhook_url": "http://x"}, "/webhook_url", ["unknown field", "webhook_url"]),
    ],
)
def test_what_is_wrong_is_named_at_its_place(changes: dict[str, Any], pointer: str, words: list[str]) -> None:
    errors = errors_of(**changes)
    assert list(errors) == [pointer]
    for word in words:
        assert word in errors[pointer]


def test_what_is_missing_is_named() -> None:
    with pytest.raises(SpecInvalid) as caught:
        parse_job({"teacher": "cifar/resnet56"})
    assert dict(caught.value.errors) == {"/dataset": "is required", "/student": "is required"}


def test_all_wrong_places_are_told_at_once() -> None:
    errors = errors_of(priority=1000, nmae="x", training={"epochs": -1, "seed": -1})
    assert set(errors) == {"/priority", "/nmae", "/training/epochs", "/training/seed"}


@pytest.mark.parametrize(
    ("document", "pointer", "words"),
    [
        ({"method": "skd"}, "/teacher", ["'skd' needs a teacher", "finetune, oskd, scratch, sfr"]),
        ({"method": "kd"}, "/teacher", ["'kd' needs a teacher"]),
        ({"method": "finetune"}, "/student/weights", ["'finetune' needs given weights"]),
        ({"student": "same"}, "/student", ["'same' needs a teacher"]),
        ({"student": {"size": "nano", "weights": "teacher"}}, "/student/weights", ["'teacher' needs a teacher", "URI"]),
        ({"evaluation": {"baselines": ["finetune"]}}, "/evaluation/baselines", ["teacher", "student.weights"]),
        ({"evaluation": {"baselines": ["finetune_student"]}}, "/evaluation/baselines", ["begins with weights"]),
        (
            {"training": {"deadline_seconds": 60, "max_runtime_seconds": 60}},
            "/training/max_runtime_seconds",
            ["60", "more than"],
        ),
    ],
)
def test_what_does_not_fit_together_is_refused(document: dict[str, Any], pointer: str, words: list[str]) -> None:
    with pytest.raises(SpecInvalid) as caught:
        parse_job({"dataset": "builtin:digits", "student": "nano", **document})
    assert [place for place, _ in caught.value.errors] == [pointer]
    for word in words:
        assert word in str(caught.value)


def test_all_that_does_not_fit_together_is_told_at_once() -> None:
    with pytest.raises(SpecInvalid) as caught:
        parse_job({"dataset": "builtin:digits", "student": "same", "method": "kd_uda",
                   "evaluation": {"baselines": ["finetune"]}})  # fmt: skip
    assert [place for place, _ in caught.value.errors] == [
        "/teacher", "/dataset/target_uri", "/student", "/evaluation/baselines",
    ]  # fmt: skip


def test_a_finetune_baseline_without_a_teacher_needs_the_students_own_weights() -> None:
    student = {"architecture": "timm/resnet18", "weights": "published"}
    job = parse_job({"dataset": "builtin:digits", "student": student, "evaluation": {"baselines": ["finetune"]}})
    assert job.evaluation.baselines == ("finetune",)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(
    "path", ["training.learning_rate", "training.epochs", "training.max_runtime_seconds", "method.weight", "priority"]
)
def test_what_is_no_number_is_refused(path: str, value: Any) -> None:
    document = {**SMALLEST, "method": {"name": "skd"}, "training": {}}
    *parents, last = path.split(".")
    (document[parents[0]] if parents else document)[last] = value
    with pytest.raises(SpecInvalid) as caught:
        parse_job(document)
    assert caught.value.errors[0][0] == "/" + path.replace(".", "/")
    Failure.of(caught.value).model_dump_json()


def test_every_field_says_what_it_means_and_what_it_is_by_default() -> None:
    schema = JobSpec.model_json_schema(mode="validation")
    for title, part in {"JobSpec": schema, **schema["$defs"]}.items():
        for name, field in part["properties"].items():
            assert field.get("description"), f"{title}.{name} has no description"
            assert "default" in field or name in part.get("required", []), (
                f"{title}.{name} is neither required nor given"
            )


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
PLACES = st.sampled_from(["teacher", "dataset", "student", "method", "training", "evaluation", "labels", "exports"])


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(JSON | st.dictionaries(PLACES | st.text(max_size=5), JSON, max_size=5))
def test_any_json_is_a_job_or_a_named_error(document: Any) -> None:
    check_answer(document)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(PLACES, st.sampled_from(["name", "uri", "class_map", "early_stopping", "weights", "budget", "classes"]), JSON)
def test_any_json_in_a_part_is_a_job_or_a_named_error(place: Any, key: Any, value: Any) -> None:
    check_answer({**SMALLEST, place: {key: value}})


def check_answer(document: Any) -> None:
    try:
        job = parse_job(document)
    except SpecInvalid as error:
        assert error.errors and all(pointer == "" or pointer.startswith("/") for pointer, _ in error.errors)
        Failure.of(error).model_dump_json()
    else:
        assert parse_job(job.model_dump(mode="json")) == job


@pytest.mark.parametrize(
    "document", [{"\ud800": 1}, {"name": "\ud800"}, {"labels": {"\udfff": 3}}, {"method": "\ud800"}]
)
def test_half_a_character_can_still_be_told_of(document: dict[str, Any]) -> None:
    with pytest.raises(SpecInvalid) as caught:
        parse_job({**SMALLEST, **document})
    Failure.of(caught.value).model_dump_json()


def test_a_key_that_looks_like_a_type_stays_in_the_pointer() -> None:
    document = {"dataset": {"uri": "builtin:digits", "class_map": {"none": 3, "a[b]": 4}}, "student": "nano"}
    with pytest.raises(SpecInvalid) as caught:
        parse_job(document)
    assert [pointer for pointer, _ in caught.value.errors] == ["/dataset/class_map/none", "/dataset/class_map/a[b]"]


def test_a_flood_of_wrong_fields_is_cut() -> None:
    with pytest.raises(SpecInvalid) as caught:
        parse_job({**SMALLEST, **{f"field{number}": 1 for number in range(5000)}})
    assert len(caught.value.errors) == 100


@pytest.mark.parametrize(
    ("pointer", "value", "allowed"),
    [
        ("/training/devices", "gpu", "cuda:4"),
        ("/training/devices", "cuda:0", "from 1 to 99"),
        ("/teacher/sha256", "abc", "64 digits"),
        ("/dataset/credentials", "password", "secret://NAME"),
    ],
)
def test_a_text_of_another_form_is_refused_in_words(pointer: str, value: str, allowed: str) -> None:
    part, field = pointer.strip("/").split("/")
    document = json.loads(json.dumps(LARGEST))
    document[part][field] = value
    with pytest.raises(SpecInvalid) as caught:
        parse_job(document)
    [(place, detail)] = caught.value.errors
    assert place == pointer and repr(value) in detail and allowed in detail
    assert "^" not in detail and "pattern" not in detail


@pytest.mark.parametrize("method", ["simkd", "dho"])
def test_a_fitted_classifier_needs_a_method_that_keeps_it(method: str) -> None:
    student = {"size": "small", "classifier": "fitted"}
    with pytest.raises(SpecInvalid, match=f"/student/classifier: 'fitted' .* method '{method}' replaces"):
        parse_job({**SMALLEST, "student": student, "method": method})
    assert parse_job({**SMALLEST, "student": student, "method": "kd"}).student.classifier == "fitted"
