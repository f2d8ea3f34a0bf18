"""Exchanged class names are found in a teacher's answers, and similar classes are not taken for them."""

from collections.abc import Mapping

import pytest
import torch

from core.teachers.confusion import confused_with, exchanged, exchanged_warning, told_confusions

CLASSES = ("ant", "bee", "cat", "dog", "eel", "fox")


def answers_of(answer_of: Mapping[int, int], *, each: int = 10, right: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Answers and labels: `each` images a class, answered as the mapping says, but the first `right` of them."""
    labels = torch.arange(len(CLASSES)).repeat_interleave(each)
    answers = torch.tensor([answer_of.get(int(label), int(label)) for label in labels])
    for label in range(len(CLASSES)):
        answers[label * each : label * each + right] = label
    return answers, labels


@pytest.mark.parametrize(
    ("answer_of", "circles"),
    [
        ({}, []),
        ({0: 2, 2: 0}, [(0, 2)]),
        ({0: 1, 1: 4, 4: 0}, [(0, 1, 4)]),
        ({0: 2, 2: 0, 3: 5, 5: 3}, [(0, 2), (3, 5)]),
        ({0: 1}, []),  # two similar classes, one of which takes both
        ({0: 1, 2: 1, 3: 1}, []),
        ({0: 1, 1: 2}, []),  # a chain that ends
        ({0: 1, 1: 2, 2: 1}, [(1, 2)]),  # a way into a circle is no part of it
        ({0: 1, 1: 2, 2: 3, 3: 4, 4: 5, 5: 0}, [(0, 1, 2, 3, 4, 5)]),
    ],
)
def test_only_circles_are_exchanges(answer_of: dict[int, int], circles: list[tuple[int, ...]]) -> None:
    assert exchanged(*answers_of(answer_of), len(CLASSES)) == circles
    assert exchanged(*answers_of(answer_of, right=4), len(CLASSES)) == circles


def test_an_answer_without_a_majority_is_a_confusion_of_images_and_not_of_names() -> None:
    answers, labels = answers_of({0: 2, 2: 0}, right=5)
    assert exchanged(answers, labels, len(CLASSES)) == []
    assert confused_with(answers, labels, len(CLASSES)) == {}


def test_two_images_prove_nothing() -> None:
    assert exchanged(*answers_of({0: 2, 2: 0}, each=1), len(CLASSES)) == []
    assert exchanged(*answers_of({0: 2, 2: 0}, each=2), len(CLASSES)) == [(0, 2)]


def test_classes_without_images_take_no_part() -> None:
    answers, labels = torch.tensor([1, 1, 1, 0, 0, 0]), torch.tensor([0, 0, 0, 1, 1, 1])
    assert exchanged(answers, labels, len(CLASSES)) == [(0, 1)]
    assert exchanged(answers[:0], labels[:0], len(CLASSES)) == []


def test_the_warning_names_each_class_with_its_answer() -> None:
    warning = exchanged_warning(*answers_of({0: 1, 1: 4, 4: 0}), CLASSES)
    assert warning is not None
    assert warning.code == "TEACHER_CLASSES_EXCHANGED"
    for pair in ("'ant' as 'bee'", "'bee' as 'eel'", "'eel' as 'ant'"):
        assert pair in warning.message
    assert warning.count == 3
    assert exchanged_warning(*answers_of({0: 1}), CLASSES) is None


def test_many_exchanges_are_cut_short() -> None:
    shifted = {label: (label + 1) % len(CLASSES) for label in range(len(CLASSES))}
    assert told_confusions(*answers_of(shifted), CLASSES) == "'ant' as 'bee', 'bee' as 'cat', 'cat' as 'dog' and 3 more"
