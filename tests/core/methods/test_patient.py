"""Function matching: the teacher sees what the student sees, to the bit, and labels say nothing."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import softmax
from tiny import make_context, make_trainer, make_training, same_weights, snapshot

from core.methods.contract import Batch
from core.methods.patient import Patient
from core.networks.network import Features, Network
from core.spec.knobs.patient import PatientKnobs
from core.teachers.frozen import FrozenTeacher


def patient(context: Any = None, **knobs: Any) -> Patient:
    return Patient(PatientKnobs(**knobs), context or make_context(image_size=8))


def logits(seed: Any, classes: Any) -> Any:
    return 3 * torch.randn(5, classes, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("temperature", [1.0, 10.0])
def test_the_one_term_is_the_divergence_from_the_restricted_teacher(temperature: float) -> None:
    student, teacher = logits(0, 4).requires_grad_(), logits(1, 6)
    batch = Batch(torch.zeros(5, 3, 8, 8), torch.zeros(5).long(), torch.arange(5), teacher=Features(teacher, None, ()))
    terms = patient(temperature=temperature).terms(Features(student, None, ()), batch)
    p_s = softmax(student.detach().numpy() / temperature, axis=1)
    p_t = softmax(teacher.numpy()[:, [5, 0, 3, 2]] / temperature, axis=1)
    assert set(terms) == {"matching"}
    expected = temperature**2 * (p_t * np.log(p_t / p_s)).sum(axis=1).mean()
    assert terms["matching"].item() == pytest.approx(expected, rel=1e-9)
    terms["matching"].backward()
    np.testing.assert_allclose(student.grad.numpy(), temperature * (p_s - p_t) / 5, atol=1e-12)


def test_both_see_the_same_mixed_views(monkeypatch: pytest.MonkeyPatch) -> None:
    method = patient()
    student, features, observe = method.context.student, Network.features, FrozenTeacher.observe
    seen = {"student": [], "teacher": []}

    def noted_features(network: Any, views: Any, taps: Any = (-1,)) -> Any:
        if network is student:
            seen["student"].append(views.clone())
        return features(network, views, taps)

    def noted_observe(teacher: Any, views: Any) -> Any:
        seen["teacher"].append(views.clone())
        return observe(teacher, views)

    trainer = make_trainer(method, make_training(max_steps=3, mixup_alpha=1.0))
    monkeypatch.setattr(Network, "features", noted_features)
    monkeypatch.setattr(FrozenTeacher, "observe", noted_observe)
    trainer.run()
    assert len(seen["student"]) == len(seen["teacher"]) == 3
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(seen["student"], seen["teacher"], strict=True))
    assert not torch.equal(seen["student"][0], seen["student"][1])


def test_labels_say_nothing() -> None:
    weights = []
    for shift in (0, 1):
        method = patient()
        trainer = make_trainer(method, make_training(max_steps=3))
        for stage in trainer.plan.stages:
            stage.batches.split.labels.add_(shift).remainder_(4)
        trainer.run()
        weights.append(snapshot(method.deployed()))
    assert same_weights(*weights)
    assert "labels" not in PatientKnobs.needs
