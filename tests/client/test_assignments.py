"""`--set path=value` of `retort` and of `python -m core`: one table for both, which share no code."""

import copy
import json
from typing import Any

import pytest

from core.errors import SpecInvalid
from core.spec.assignment import assign as assign_in_core
from retort.job_body import assign as assign_in_client

TWO_METHODS = {"method": ["kd", "skd"]}

# The document, the assignment, the document afterwards.
CARRIED_OUT: list[tuple[dict[str, Any], str, dict[str, Any]]] = [
    ({}, "training.epochs=3", {"training": {"epochs": 3}}),
    ({}, "name=a", {"name": "a"}),
    ({}, "name=", {"name": ""}),
    ({}, "name=a=b", {"name": "a=b"}),
    ({}, 'name="3"', {"name": "3"}),
    ({}, "training.seed=null", {"training": {"seed": None}}),
    ({}, "a.b.c.d=true", {"a": {"b": {"c": {"d": True}}}}),
    ({}, 'exports=["onnx"]', {"exports": ["onnx"]}),
    ({}, "training.learning_rate=NaN", {"training": {"learning_rate": "NaN"}}),
    ({}, "training.learning_rate=-Infinity", {"training": {"learning_rate": "-Infinity"}}),
    ({"training": None}, "training.epochs=3", {"training": {"epochs": 3}}),
    ({"training": {"epochs": 1, "seed": 2}}, "training.epochs=3", {"training": {"epochs": 3, "seed": 2}}),
    ({"training": {"epochs": 1}}, 'training={"seed":1}', {"training": {"seed": 1}}),
    ({"dataset": "hf://a/b"}, "dataset.max_per_class=9", {"dataset": {"uri": "hf://a/b", "max_per_class": 9}}),
    ({"dataset": "x"}, "dataset=y", {"dataset": "y"}),
    ({"student": "nano"}, "student.weights=null", {"student": {"size": "nano", "weights": None}}),
    ({"student": "cifar/resnet8"}, "student.weights=x", {"student": {"architecture": "cifar/resnet8", "weights": "x"}}),
    ({"student": {"budget": None}}, "student.budget.max_macs=5", {"student": {"budget": {"max_macs": 5}}}),
    ({"teacher": "cifar/resnet56"}, "teacher.sha256=x", {"teacher": {"architecture": "cifar/resnet56", "sha256": "x"}}),
    ({"teacher": "job:job_1"}, "teacher.sha256=x", {"teacher": {"weights": "job:job_1", "sha256": "x"}}),
    ({"teacher": "s3://a/b.pt"}, "teacher.classes=[]", {"teacher": {"weights": "s3://a/b.pt", "classes": []}}),
    (
        {"more_teachers": ["job:job_1", "cifar/resnet20"]},
        "more_teachers.1.weights=file:///w",
        {"more_teachers": ["job:job_1", {"architecture": "cifar/resnet20", "weights": "file:///w"}]},
    ),
    ({"method": "kd"}, "method.temperature=2", {"method": {"name": "kd", "temperature": 2}}),
    (TWO_METHODS, "method.1.weight=2", {"method": ["kd", {"name": "skd", "weight": 2}]}),
    (TWO_METHODS, "method.0=at", {"method": ["at", "skd"]}),
    ({"method": ["kd", {"name": "skd"}]}, "method.1.weight=2", {"method": ["kd", {"name": "skd", "weight": 2}]}),
    ({"exports": ["onnx", "safetensors"]}, "exports.1=onnx", {"exports": ["onnx", "onnx"]}),
    ({"labels": {"a": "b"}}, "labels.c=d", {"labels": {"a": "b", "c": "d"}}),
]

REFUSED: list[tuple[dict[str, Any], str]] = [
    ({}, "epochs"),
    ({}, "=3"),
    ({}, ""),
    ({}, "training..epochs=3"),
    ({}, ".epochs=3"),
    ({}, "training.=3"),
    ({"training": {"epochs": 3}}, "training.epochs.x=1"),
    ({"name": "a"}, "name.x=1"),
    ({"labels": {"a": "b"}}, "labels.a.c=d"),
    ({"exports": ["onnx"]}, "exports.0.x=1"),
    (TWO_METHODS, "method.2.weight=1"),
    (TWO_METHODS, "method.2=at"),
    (TWO_METHODS, "method.kd.weight=1"),
    (TWO_METHODS, "method.-1.weight=1"),
    (TWO_METHODS, "method.²=at"),
    (TWO_METHODS, "method.weight=1"),
]


@pytest.mark.parametrize(("document", "assignment", "expected"), CARRIED_OUT, ids=lambda value: json.dumps(value))
def test_both_commands_carry_out_an_assignment_alike(
    document: dict[str, Any], assignment: str, expected: dict[str, Any]
) -> None:
    for assign in (assign_in_client, assign_in_core):
        changed = copy.deepcopy(document)
        assign(changed, assignment)
        assert changed == expected, assign.__module__


@pytest.mark.parametrize(("document", "assignment"), REFUSED, ids=lambda value: json.dumps(value))
def test_both_commands_refuse_an_assignment_alike_and_name_it(document: dict[str, Any], assignment: str) -> None:
    with pytest.raises(ValueError, match=r".") as by_client:
        assign_in_client(copy.deepcopy(document), assignment)
    with pytest.raises(SpecInvalid) as by_core:
        assign_in_core(copy.deepcopy(document), assignment)
    path = assignment.partition("=")[0]
    assert path in str(by_client.value) and path in str(by_core.value)
