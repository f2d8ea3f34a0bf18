"""The distillation token: its own classifier, hard and soft, and students that have none."""

import numpy as np
import pytest
import torch
from scipy.special import softmax
from tiny import make_batch, make_context, make_network

from core.errors import SpecInvalid
from core.methods.deit import Deit, hard_loss
from core.spec.knobs.deit import DeitKnobs

STUDENT = "timm/deit_tiny_distilled_patch16_224"


def deit(student: str = STUDENT, size: int = 32, **knobs: float) -> Deit:
    return Deit(DeitKnobs(**knobs), make_context(image_size=32, student=make_network(student, image_size=size)))


def heads(method: Deit, views: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """What timm's own module gives for both tokens."""
    module, student = method.context.student.module, method.context.student
    with torch.no_grad():
        tokens = module.forward_features(student.prepare(views))
        return tuple(
            head(tokens[:, place]).double().numpy() for place, head in enumerate((module.head, module.head_dist))
        )


def test_the_hard_loss_is_the_cross_entropy_with_the_teachers_best_class() -> None:
    student, teacher = torch.randn(2, 5, 4, generator=torch.Generator().manual_seed(0)).double()
    best = teacher.numpy().argmax(axis=1)
    expected = -np.log(softmax(student.numpy(), axis=1)[np.arange(5), best]).mean()
    assert hard_loss(student, teacher).item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("hard", [True, False])
def test_each_token_has_its_own_term(hard: bool) -> None:
    method = deit(hard=hard, weight=2.0, label_weight=3.0)
    method.eval()
    method.context.student.eval()
    batch = make_batch(method, 4, size=32)
    terms = method.terms(method.context.student.features(batch.views, ()), batch)
    label, token = heads(method, batch.views)
    assert batch.teacher is not None
    taught = batch.teacher.logits[:, [5, 0, 3, 2]].double().numpy()
    if hard:
        expected = -np.log(softmax(token, axis=1)[np.arange(4), taught.argmax(axis=1)]).mean()
    else:
        p_t, p_s = softmax(taught / 3, axis=1), softmax(token / 3, axis=1)
        expected = 9 * (p_t * np.log(p_t / p_s)).sum(axis=1).mean()
    assert terms["token"].item() == pytest.approx(2 * expected, rel=1e-4)
    expected = -np.log(softmax(label, axis=1)[np.arange(4), batch.targets.numpy()]).mean()
    assert terms["label"].item() == pytest.approx(3 * expected, rel=1e-4)


def test_the_deployed_network_gives_the_mean_of_both_tokens() -> None:
    method = deit()
    views = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    network = method.deployed().eval()
    with torch.no_grad():
        np.testing.assert_allclose(network(views).numpy(), np.mean(heads(method, views), axis=0), atol=1e-5)


def test_labels_move_one_classifier_and_the_teacher_the_other() -> None:
    for knobs, moved in (({"weight": 0.0}, "head"), ({"label_weight": 0.0}, "head_dist")):
        method = deit(**knobs)
        torch.stack(list(next(method.updates(make_batch(method, 2, size=32))).terms.values())).sum().backward()
        module = method.context.student.module
        slopes = {name: getattr(module, name).weight.grad.abs().max().item() for name in ("head", "head_dist")}
        assert slopes[moved] > 0 and sum(slopes.values()) == slopes[moved]


@pytest.mark.parametrize("student", ["cifar/resnet8", "timm/vit_tiny_patch16_224"])
def test_a_student_without_a_distillation_token_is_refused_by_name(student: str) -> None:
    with pytest.raises(SpecInvalid) as refused:
        deit(student)
    assert refused.value.pointer == "/student" and student in str(refused.value) and STUDENT in str(refused.value)


def test_levit_has_such_a_token_too() -> None:
    method = deit("timm/levit_128s", 224)
    method.set_training_mode()
    terms = next(method.updates(make_batch(method, 2, size=32))).terms
    assert all(torch.isfinite(term) for term in terms.values())
