"""Two heads on one student: each learns from its own side, the network gives the mixture, and its file says so."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import softmax
from tiny import make_batch, make_context, make_network, make_trainer, make_training, same_weights, snapshot

from core.errors import SpecInvalid
from core.methods.dho import Dho
from core.networks.serialized import to_safetensors
from core.networks.teacher import load_teacher
from core.networks.two_heads import MixedHead
from core.policy import Policy
from core.spec import TeacherSpec
from core.spec.knobs.dho import DhoKnobs
from core.system.workspace import Workspace


def dho(student: str = "cifar/resnet8", size: int = 8, **knobs: float) -> Dho:
    return Dho(DhoKnobs(**knobs), make_context(image_size=size, student=make_network(student, image_size=size)))


def head_of(method: Dho) -> MixedHead:
    (head,) = (part for part in method.deployed().module.modules() if isinstance(part, MixedHead))
    return head


def drawn_apart(method: Dho) -> MixedHead:
    """The method's head after both its classifiers got other weights."""
    head = head_of(method)
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(5)
        head.label.weight.normal_()
        head.distillation.weight.normal_()
    return head


@pytest.mark.parametrize("student", ["cifar/resnet8", "timm/mobilenetv3_small_050"])
def test_the_network_gives_the_logarithm_of_the_mixed_probabilities(student: str) -> None:
    method = dho(student, 32, share=0.3, mixing_temperature=2.0)
    drawn_apart(method)
    network = method.deployed().eval()
    views = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        seen = network.features(views, ())
        entered = seen.pooled.numpy()[:, : seen.pooled.shape[1] // 2]
        head = head_of(method)
        label, distilled = (
            entered @ each.weight.flatten(1).numpy().T + each.bias.numpy() for each in (head.label, head.distillation)
        )
    mixture = 0.7 * softmax(label, axis=1) + 0.3 * softmax(distilled / 2, axis=1)
    np.testing.assert_allclose(seen.logits.exp().numpy(), mixture, atol=1e-5)
    np.testing.assert_allclose(network(views).detach().softmax(dim=1).numpy(), mixture, atol=1e-5)


def test_labels_move_one_head_and_the_teacher_the_other() -> None:
    for knobs, moved in (({"weight": 0.0}, "label"), ({"label_weight": 0.0}, "distillation")):
        method = dho(**knobs)
        head = head_of(method)
        torch.stack(list(next(method.updates(make_batch(method))).terms.values())).sum().backward()
        slopes = {name: getattr(head, name).weight.grad.abs().max().item() for name in ("label", "distillation")}
        assert slopes[moved] > 0 and sum(slopes.values()) == slopes[moved]
        assert method.context.student.module.conv1.weight.grad.abs().max() > 0, "both move the encoder"


def test_the_terms_are_those_of_numpy() -> None:
    method = dho(weight=2.0, label_weight=3.0, temperature=4.0)
    head = drawn_apart(method)
    batch = make_batch(method)
    student = method.context.student.features(batch.views, ())
    terms = {name: term.item() for name, term in method.terms(student, batch).items()}
    with torch.no_grad():
        pooled = student.pooled[:, :64]
        label, distilled = head.label(pooled).double().numpy(), head.distillation(pooled).double().numpy()
    assert batch.teacher is not None
    taught = softmax(batch.teacher.logits[:, [5, 0, 3, 2]].double().numpy() / 4, axis=1)
    ours = softmax(distilled / 4, axis=1)
    expected = {
        "label": -3 * np.log(softmax(label, axis=1)[np.arange(6), batch.targets.numpy()]).mean(),
        "kd": 2 * 16 * (taught * np.log(taught / ours)).sum(axis=1).mean(),
    }
    assert terms == pytest.approx(expected, rel=1e-4)


def test_both_heads_begin_with_the_students_classifier() -> None:
    student = make_network("cifar/resnet8", image_size=8)
    given = student.classifier.weight.detach().clone()
    method = Dho(DhoKnobs(), make_context(image_size=8, student=student))
    head = head_of(method)
    assert torch.equal(head.label.weight, given) and torch.equal(head.distillation.weight, given)


def test_its_file_can_be_loaded_as_a_teacher_and_as_a_student(tmp_path: Path) -> None:
    method = dho(share=0.25, mixing_temperature=1.5)
    make_trainer(method, make_training(max_steps=3)).run()
    path = tmp_path / "model.safetensors"
    path.write_bytes(to_safetensors(method.deployed(), ("a", "b", "c", "d")))
    spec = TeacherSpec(weights=path.as_uri())
    loaded = load_teacher(spec, Workspace(tmp_path, tmp_path / "cache", None, Policy())).network
    assert loaded.architecture == "cifar/resnet8+dho"
    assert same_weights(snapshot(loaded.module), snapshot(method.deployed().module))
    again = Dho(DhoKnobs(), replace(make_context(image_size=8), student=loaded))
    assert again.deployed().architecture == "cifar/resnet8+dho", "a student with two heads keeps them"


def test_a_student_whose_outputs_are_no_classifiers_is_refused() -> None:
    with pytest.raises(SpecInvalid) as refused:
        dho("torchvision/squeezenet1_1", 64)
    assert refused.value.pointer == "/student/architecture" and "torchvision/squeezenet1_1" in str(refused.value)
