"""Feature maps through adapters: each form against numpy, and what the teacher's logits may never do."""

from typing import Any

import numpy as np
import pytest
import torch
from tiny import CPU, make_context, make_network, make_trainer, make_training, same_weights, snapshot

from core.errors import UserError
from core.methods.contract import Batch
from core.methods.parts.distances import attention_distance, mse_distance, pkd_distance, same_size
from core.methods.skd import DISTANCES, Skd
from core.spec.knobs.skd import SkdKnobs
from core.teachers.frozen import FrozenTeacher

FORMS = sorted(DISTANCES)


def feature_map(seed: Any, shape: Any = (3, 5, 4, 4), offset: float = 0.3) -> Any:
    return offset + torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def numpy_mse(s: Any, t: Any) -> Any:
    return ((s - t) ** 2).sum() / s.size


def numpy_cosine(s: Any, t: Any) -> Any:
    dots = np.einsum("ndhw,ndhw->nhw", s, t)
    norms = np.sqrt(np.einsum("ndhw,ndhw->nhw", s, s) * np.einsum("ndhw,ndhw->nhw", t, t))
    return 1 - (dots / norms).mean()


def numpy_attention(s: Any, t: Any) -> Any:
    def unit(values: Any) -> Any:
        energy = (values**2).mean(axis=1).reshape(len(values), -1)
        return energy / np.linalg.norm(energy, axis=1, keepdims=True)

    return ((unit(s) - unit(t)) ** 2).sum() / len(s)


def numpy_pkd(s: Any, t: Any) -> Any:
    """Half the mean squared difference of channels standardized with n - 1 degrees of freedom."""
    sides = [side.transpose(1, 0, 2, 3).reshape(side.shape[1], -1) for side in (s, t)]
    s, t = ((side - side.mean(axis=1, keepdims=True)) / side.std(axis=1, ddof=1, keepdims=True) for side in sides)
    return ((s - t) ** 2).mean() / 2


REFERENCES = {"mse": numpy_mse, "cosine": numpy_cosine, "attention": numpy_attention, "pkd": numpy_pkd}


@pytest.mark.parametrize("form", FORMS)
def test_the_value_is_that_of_numpy(form: Any) -> None:
    student, teacher = feature_map(0), feature_map(1)
    expected = REFERENCES[form](student.numpy(), teacher.numpy())
    assert DISTANCES[form](student, teacher).item() == pytest.approx(expected, abs=1e-5)
    assert expected > 0.01


@pytest.mark.parametrize("form", FORMS)
def test_equal_maps_have_no_distance_and_no_gradient(form: Any) -> None:
    student = feature_map(2).requires_grad_()
    distance = DISTANCES[form](student, student.detach())
    distance.backward()
    assert distance.item() == pytest.approx(0, abs=1e-7)
    assert student.grad.abs().max() < 1e-7


@pytest.mark.parametrize("form", FORMS)
def test_gradcheck(form: Any) -> None:
    teacher = feature_map(3, (2, 3, 2, 2))
    student = feature_map(4, (2, 3, 2, 2)).requires_grad_()
    assert torch.autograd.gradcheck(lambda s: DISTANCES[form](s, teacher), student)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(form: Any, dtype: Any) -> None:
    student, teacher = (feature_map(seed, (2, 3, 4, 4)).to(dtype) for seed in (5, 6))
    distance = DISTANCES[form](student, teacher)
    assert distance.dtype == torch.float32
    assert distance.item() == pytest.approx(DISTANCES[form](student.double(), teacher.double()).item(), rel=1e-4)


def test_duplicated_channels_leave_mse_unchanged() -> None:
    student, teacher = feature_map(7), feature_map(8)
    doubled = mse_distance(student.repeat(1, 2, 1, 1), teacher.repeat(1, 2, 1, 1))
    assert doubled.item() == pytest.approx(mse_distance(student, teacher).item(), abs=1e-12)


def test_attention_forgets_scale_and_channels_and_stays_within_two() -> None:
    student, teacher = feature_map(9), feature_map(10, (3, 11, 4, 4))
    plain = attention_distance(student, teacher).item()
    assert attention_distance(7 * student, 0.01 * teacher).item() == pytest.approx(plain, abs=1e-9)
    left, right = torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 2)
    left[..., 0], right[..., 1] = 1.0, 1.0
    assert attention_distance(left, right).item() == pytest.approx(2)


def test_opposite_vectors_have_cosine_distance_two() -> None:
    student = feature_map(11)
    assert DISTANCES["cosine"](student, -student).item() == pytest.approx(2)


def test_pkd_forgets_scale_and_offset_of_each_channel() -> None:
    student, teacher = feature_map(12), feature_map(13)
    scale, offset = torch.tensor([0.5, 2.0, 1.0, 30.0, 4.0]).view(1, 5, 1, 1), feature_map(14, (1, 5, 1, 1))
    plain = pkd_distance(student, teacher).item()
    assert pkd_distance(scale * student + offset, teacher).item() == pytest.approx(plain, abs=1e-5)
    assert pkd_distance(student, scale * teacher + offset).item() == pytest.approx(plain, abs=1e-5)
    n = student[:, 0].numel()
    assert pkd_distance(-student, student).item() == pytest.approx(2 * (n - 1) / n, abs=1e-5)


@pytest.mark.parametrize("form", FORMS)
def test_a_dead_channel_and_a_dead_map_stay_finite(form: Any) -> None:
    student = feature_map(15)
    student[:, 0], student[0] = 0.0, 0.0
    student.requires_grad_()
    distance = DISTANCES[form](student, feature_map(16))
    distance.backward()
    assert torch.isfinite(distance) and torch.isfinite(student.grad).all()


def test_the_larger_map_is_averaged_down_and_none_is_blown_up() -> None:
    large, small = feature_map(17, (2, 3, 8, 8)), feature_map(18, (2, 5, 4, 4))
    blocks = large.numpy().reshape(2, 3, 4, 2, 4, 2).mean(axis=(3, 5))
    for student, teacher in ((large, small), (small, large)):
        pooled = same_size(student, teacher)
        assert [one.shape[2:] for one in pooled] == [(4, 4), (4, 4)]
        assert (pooled[0] if student is small else pooled[1]) is small
        np.testing.assert_allclose((pooled[0] if student is large else pooled[1]).numpy(), blocks, atol=1e-12)


def skd(context: Any, **knobs: Any) -> Skd:
    return Skd(Skd.resolved(SkdKnobs(**knobs)), context)


def observe(method: Any, views: Any) -> Any:
    return FrozenTeacher(method.context.teacher, method.needs, CPU).observe(views)


def terms_of(method: Any, *, seed: int = 0) -> Any:
    draws = torch.Generator().manual_seed(seed)
    views, labels = torch.rand(4, 3, 32, 32, generator=draws), torch.tensor([0, 1, 2, 3])
    batch = Batch(views, labels, torch.arange(4), teacher=observe(method, views))
    return next(method.updates(batch)).terms


def test_the_feature_term_is_the_weighted_distance_of_the_adapted_last_maps() -> None:
    context = make_context()
    method = skd(context, weight=2.5, label_weight=0.0)
    method.eval()
    views = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        s, t = context.student.features(views).maps[0], context.teacher.features(views).maps[0]
        kernel, norm = method.adapters[0][0].weight[:, :, 0, 0], method.adapters[0][1]
        adapted = np.einsum("dc,nchw->ndhw", kernel.numpy(), s.numpy()) / np.sqrt(1 + norm.eps)
    terms = terms_of(method)
    assert terms["feature"].item() == pytest.approx(2.5 * numpy_mse(adapted, t.numpy()), rel=1e-4)
    assert terms["label"].item() == 0


@pytest.mark.parametrize("form", FORMS)
def test_the_teachers_classifier_says_nothing(form: Any) -> None:
    """Its logits may be anything, even not a number: loss and student stay the same."""
    weights = []
    for spoil in (False, True):
        context = make_context(image_size=8, class_indices=None)
        if spoil:
            with torch.no_grad():
                context.teacher.classifier.weight.fill_(float("nan"))
        method = skd(context, form=form)
        make_trainer(method, make_training(max_steps=3)).run()
        weights.append(snapshot(method.deployed()))
    assert same_weights(*weights)
    assert all(torch.isfinite(value).all() for value in weights[1].values())


def test_adapters_fit_the_channels_train_along_and_are_not_deployed() -> None:
    context = make_context(teacher="cifar/resnet8x4")
    method = skd(context)
    assert method.adapters[0][0].weight.shape == (256, 64, 1, 1)
    assert method.adapters[0][0].bias is None
    group = {id(parameter) for parameter in method.parameter_groups()["student"]}
    assert all(id(parameter) in group for parameter in method.adapters.parameters())
    method.eval()
    method.set_training_mode()
    assert method.adapters[0][1].training
    assert method.deployed().state_dict().keys() == make_network("cifar/resnet8").state_dict().keys()


def test_attention_has_no_adapters() -> None:
    assert list(skd(make_context(), form="attention").parameters()) == []


def test_adapters_change_no_other_random_draw() -> None:
    before = snapshot(make_context().student)
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    method = skd(make_context(), taps="all")
    assert torch.equal(torch.rand(4), expected)
    assert same_weights(before, snapshot(method.context.student))
    again = skd(make_context(), taps="all")
    assert same_weights(method.state_dict(), again.state_dict())


def test_taps_last_all_and_by_path() -> None:
    context = make_context()
    assert len(skd(context).adapters) == 1
    everywhere = skd(context, taps="all")
    assert everywhere.needs.teacher_taps == tuple(point.path for point in context.teacher.tap_points)
    assert [adapter[0].in_channels for adapter in everywhere.adapters] == [16, 32, 64]
    by_path = skd(context, taps=("layer2",))
    assert by_path.needs.teacher_taps == ("layer2",) and by_path.needs.student_taps == ("layer2",)
    assert all(torch.isfinite(term) for term in terms_of(everywhere).values())


def test_the_distances_of_all_taps_are_summed() -> None:
    context = make_context()
    each = [
        terms_of(skd(context, form="attention", taps=(point.path,)))["feature"].item()
        for point in context.teacher.tap_points
    ]
    assert terms_of(skd(context, form="attention", taps="all"))["feature"].item() == pytest.approx(sum(each))


def test_an_unknown_tap_is_named_with_its_near_misses() -> None:
    with pytest.raises(UserError, match=r"unknown tap 'layr2'.*'layer2'"):
        skd(make_context(), taps=("layr2",))


def test_networks_of_other_makes_and_resolutions_meet() -> None:
    method = skd(make_context(student=make_network("cifar/vgg8")), taps="all")
    assert all(torch.isfinite(term) for term in terms_of(method).values())
