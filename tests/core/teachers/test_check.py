"""How many images it takes to tell a teacher from a coin."""

from types import SimpleNamespace

import pytest
import torch

from core.errors import TeacherLoadFailed
from core.spec import TeacherSpec
from core.teachers import check as teacher_check

CLASSES, VALIDATION, TRAIN, MOST = 10, 20, 500, 128


@pytest.fixture
def check(monkeypatch):
    """`check_teacher` for a teacher that is right on a share of images: what it tells, and how many images it took."""
    seen = []

    def run(share):
        def hits(logits, split, indices, *, augmenter, arithmetic):
            right = 37 * torch.arange(sum(seen), sum(seen) + len(indices)) % 100 < 100 * share
            seen.append(len(indices))
            return right

        monkeypatch.setattr(teacher_check, "_hits", hits)
        splits = (SimpleNamespace(labels=range(count)) for count in (VALIDATION, TRAIN))
        dataset = SimpleNamespace(**dict(zip(("validation", "train"), splits, strict=True)), classes=range(CLASSES))
        spec = TeacherSpec(architecture="torchvision/resnet18")
        told = teacher_check.check_teacher(spec, None, None, dataset, None, None)
        return told, sum(seen)

    monkeypatch.setattr(teacher_check, "_affordable", lambda network: MOST)
    run.seen = seen
    return run


def test_a_good_teacher_is_known_by_the_validation_images_alone(check):
    assert check(0.95) == (0.95, VALIDATION)


def test_a_poor_one_is_looked_at_until_it_is_told_from_chance(check, monkeypatch):
    monkeypatch.setattr(teacher_check, "_margin", lambda chance, count: 0.0 if count == MOST else 1.0)
    told, looked_at = check(0.5)
    assert told == 0.55 and looked_at == MOST


def test_one_that_guesses_is_refused_after_all_images_that_are_affordable(check):
    with pytest.raises(TeacherLoadFailed, match=f"on {MOST} of the customer's images"):
        check(0.15)
    assert sum(check.seen) == MOST and max(check.seen) <= teacher_check.AT_ONCE
