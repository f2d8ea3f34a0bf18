"""Every field of a spec refuses values of another JSON type: `true` and "3" are no numbers, 1 and "yes" no booleans."""

from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import pytest
from pydantic import BaseModel

from core.errors import SpecInvalid
from core.spec import KNOBS, JobSpec, parse_job
from core.spec.job import Budget, DatasetSpec, EvaluationSpec, StudentSpec
from core.spec.knobs import LISTED
from core.spec.part import Part
from core.spec.teacher import TeacherSpec
from core.spec.training import EarlyStopping, TrainingSpec

BASE: dict[str, Any] = {"teacher": "cifar/resnet56", "dataset": "builtin:digits", "student": "nano"}
# Where a part of each model stands in a job, as keys.
PLACES: dict[type[Part], tuple[str, ...]] = {
    JobSpec: (), TeacherSpec: ("teacher",), DatasetSpec: ("dataset",), StudentSpec: ("student",),
    Budget: ("student", "budget"), TrainingSpec: ("training",), EarlyStopping: ("training", "early_stopping"),
    EvaluationSpec: ("evaluation",), **{knobs: ("method",) for knobs in KNOBS.values()},
}  # fmt: skip
Shape = tuple[str, ...]


def leaves(annotation: Any, wrapped: Shape = ()) -> Iterator[tuple[type, Shape]]:
    """(plain type, the lists and mappings around it) of every scalar that an annotation takes."""
    origin = get_origin(annotation)
    if origin in (Union, UnionType):
        for member in get_args(annotation):
            yield from leaves(member, wrapped)
    elif origin is Annotated:
        yield from leaves(get_args(annotation)[0], wrapped)
    elif origin in (tuple, list):
        yield from leaves(get_args(annotation)[0], (*wrapped, "list"))
    elif origin is dict:
        yield from leaves(get_args(annotation)[1], (*wrapped, "dict"))
    elif isinstance(annotation, type) and not issubclass(annotation, BaseModel):
        yield annotation, wrapped


def fields_of(*kinds: type) -> list[tuple[type[Part], str, Shape]]:
    """(model, field, the lists and mappings around the value) of every field that takes one of the kinds."""
    return [
        (model, name, wrapped)
        for model in PLACES
        for name, field in model.model_fields.items()
        for wrapped in dict.fromkeys(shape for leaf, shape in leaves(field.annotation) if leaf in kinds)
    ]


def job_with(model: type[Part], name: str, value: Any, wrapped: Shape) -> tuple[dict[str, Any], str]:
    """A job whose one field has the value, and the JSON pointer of the value."""
    pointer = "/" + "/".join((*PLACES[model], name, *("0" if shape == "list" else "key" for shape in wrapped)))
    for shape in reversed(wrapped):
        value = [value] if shape == "list" else {"key": value}
    inside: dict[str, Any] = {name: value}
    if model in KNOBS.values():
        inside["name"] = model.model_fields["name"].default
    for key in reversed(PLACES[model]):
        inside = {key: inside}
    return {**BASE, **inside}, pointer


def refused_at(document: dict[str, Any]) -> list[str]:
    with pytest.raises(SpecInvalid) as caught:
        parse_job(document)
    return [pointer for pointer, _ in caught.value.errors]


def test_every_model_of_a_spec_has_its_place_here() -> None:
    def below(model: type[Part]) -> Iterator[type[Part]]:
        for child in model.__subclasses__():
            yield child
            yield from below(child)

    abstract = {model for model in below(Part) if "name" in model.model_fields and model not in KNOBS.values()} - {
        JobSpec
    }
    # Parts of knobs, such as a pair of layers, are reached through the schema of their knobs. What the engine resolves
    # is no input.
    other = ("core.spec.knobs", "core.spec.resolved")
    ours = {model for model in below(Part) if not model.__module__.startswith(other)}
    assert ours - abstract == set(PLACES) - set(LISTED.values())


@pytest.mark.parametrize("value", [True, False, "3", "0.5"])
@pytest.mark.parametrize(("model", "name", "wrapped"), fields_of(int, float))
def test_what_is_no_number_is_refused(model: type[Part], name: str, wrapped: Shape, value: Any) -> None:
    document, pointer = job_with(model, name, value, wrapped)
    assert pointer in refused_at(document)


@pytest.mark.parametrize("value", [1, 0, 1.0, "true", "yes"])
@pytest.mark.parametrize(("model", "name", "wrapped"), fields_of(bool))
def test_what_is_no_boolean_is_refused(model: type[Part], name: str, wrapped: Shape, value: Any) -> None:
    document, pointer = job_with(model, name, value, wrapped)
    assert pointer in refused_at(document)


def test_there_are_numbers_and_booleans_to_walk_over() -> None:
    assert len(fields_of(int, float)) > 60
    assert len(fields_of(bool)) >= 3


def test_a_whole_number_may_be_written_with_a_point() -> None:
    training = parse_job({**BASE, "training": {"epochs": 3.0, "learning_rate": 1}}).training
    assert (training.epochs, training.learning_rate) == (3, 1)
    assert isinstance(training.epochs, int)
    assert refused_at({**BASE, "training": {"epochs": 3.5}}) == ["/training/epochs"]


def test_the_value_is_named_once_and_as_json() -> None:
    with pytest.raises(SpecInvalid) as caught:
        parse_job({**BASE, "training": {"epochs": True}, "priority": None})
    details = dict(caught.value.errors)
    assert details["/training/epochs"].count("true") == 1
    assert details["/priority"].count("null") == 1


def test_a_list_whose_only_item_is_wrong_is_told_once() -> None:
    assert refused_at({**BASE, "exports": ["onx"]}) == ["/exports/0"]
    assert refused_at({**BASE, "exports": []}) == ["/exports"]
