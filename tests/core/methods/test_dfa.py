"""Aggregation search: closed forms of the shares, where gradients go, what the two paths prefer, and the hand-over."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from tiny import make_batch, make_context, make_network, make_trainer, make_training, same_weights, snapshot
from torch.nn import functional

from core.errors import SpecInvalid
from core.methods.contract import Batch, Stage
from core.methods.dfa import Dfa, aggregated, standardized
from core.networks.network import Features
from core.spec.knobs.dfa import DfaKnobs

GIVEN = {tap: {f"{tap}.0": 0.25, f"{tap}.1": 0.75} for tap in ("layer1", "layer2", "layer3")}


def dfa(context: Any = None, **knobs: Any) -> Dfa:
    return Dfa(DfaKnobs(**knobs), context or make_context(image_size=8))


def enter(method: Any, number: Any) -> Any:
    """As the loop enters a stage."""
    method.stage = method.stages()[number]
    method.begin_stage(method.stage)
    method.set_training_mode()
    return method


def maps(seed: Any, count: int = 3, shape: Any = (2, 4, 3, 3)) -> list[Any]:
    draws = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, dtype=torch.float64, generator=draws) for _ in range(count)]


def test_an_aggregated_map_is_the_weighted_sum() -> None:
    layers, alphas = maps(0), torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64)
    expected = np.tensordot(alphas.numpy(), np.stack([each.numpy() for each in layers]), axes=1)
    np.testing.assert_allclose(aggregated(layers, alphas).numpy(), expected, atol=1e-14)
    assert torch.equal(aggregated(layers, torch.tensor([0.0, 1.0, 0.0])), layers[1])
    assert torch.autograd.gradcheck(lambda a: aggregated(layers, a), alphas.requires_grad_())


def test_standardized_channels_have_mean_zero_and_deviation_one() -> None:
    values = standardized(5 + 30 * maps(1, 1)[0]).numpy()
    np.testing.assert_allclose(values.mean(axis=(0, 2, 3)), 0, atol=1e-6)
    np.testing.assert_allclose(values.std(axis=(0, 2, 3)), 1, atol=1e-6)
    assert torch.isfinite(standardized(torch.ones(1, 4, 1, 1))).all()


def test_groups_are_the_teachers_taps_with_their_blocks() -> None:
    method = dfa()
    assert [(group.student.path, group.layers) for group in method.groups] == [
        (tap, (f"{tap}.0", f"{tap}.1")) for tap in GIVEN
    ]
    assert [stage.split for stage in method.stages()] == ["halves"] * 3 + ["all"]
    assert all(stage.restarts_schedule for stage in method.stages())
    assert sum(stage.share for stage in method.stages()) == pytest.approx(1.6)
    assert dfa(make_context(teacher="cifar/resnet8", image_size=8)).stages()[0].split == "all", "nothing to choose"


def test_shares_begin_even_and_sum_to_one() -> None:
    method = dfa()
    assert method.found() == {tap: {f"{tap}.0": 0.5, f"{tap}.1": 0.5} for tap in GIVEN}
    with torch.no_grad():
        method.betas[1].copy_(torch.tensor([1000.0, -1000.0]))
    assert method.found()["layer2"] == {"layer2.0": 1.0, "layer2.1": 0.0}


def test_the_gradient_of_the_shares_is_that_of_the_softmax() -> None:
    """alpha_j (c_j - sum_k alpha_k c_k), c_j = <dL/dA, T_j>, with L the learnability path alone."""
    method = enter(dfa(standardized=False, expressivity_weight=0.0), 1)
    method.double(), method.context.student.double()
    with torch.no_grad():
        method.betas[1].copy_(torch.tensor([0.4, -0.9], dtype=torch.float64))
    batch = make_batch(method, 4)
    layers = [each.double() for each in batch.teacher.maps]
    batch = Batch(batch.views.double(), batch.targets, batch.indices, teacher=Features(None, None, tuple(layers)))
    student = method.context.student.features(batch.views, ("layer2",)).maps[0]
    alphas = np.exp([0.4, -0.9]) / np.exp([0.4, -0.9]).sum()
    ours = method.to_teacher[1](student).detach().numpy()
    target = alphas[0] * layers[2].numpy() + alphas[1] * layers[3].numpy()
    slope = 2 * (target - ours) / target.size
    c = np.array([(slope * layer.numpy()).sum() for layer in layers[2:4]])
    _, feature, _ = method.bridge(batch, 1, method.alphas(1))
    assert feature.item() == pytest.approx(((target - ours) ** 2).mean(), rel=1e-9)
    feature.backward()
    np.testing.assert_allclose(method.betas[1].grad.numpy(), alphas * (c - alphas @ c), rtol=1e-6)


def test_equal_layers_get_equal_gradients() -> None:
    method = enter(dfa(), 0)
    batch = make_batch(method)
    same = (batch.teacher.maps[0], batch.teacher.maps[0], *batch.teacher.maps[2:])
    batch = Batch(batch.views, batch.targets, batch.indices, teacher=Features(None, None, same))
    label, feature, _ = method.bridge(batch, 0, method.alphas(0))
    (label + feature).backward()
    assert method.betas[0].grad.abs().max() < 1e-6


def gradients(method: Any, loss: Any) -> Any:
    names = {id(p): name for name, p in method.context.student.module.named_parameters()}
    names |= {id(p): name for name, p in method.named_parameters()}
    loss.backward()
    every = (*method.context.student.parameters(), *method.parameters())
    moved = {names[id(p)] for p in every if p.grad is not None and p.grad.abs().max() > 0}
    for parameter in every:
        parameter.grad = None
    return {
        name.split(".")[0] + ("." + name.split(".")[1] if name.startswith(("to_", "betas")) else "") for name in moved
    }


def test_expressivity_moves_what_follows_the_group_and_learnability_what_leads_to_it() -> None:
    for place, before, after in (
        (0, {"conv1", "bn1", "layer1"}, {"layer2", "layer3", "fc"}),
        (1, {"conv1", "bn1", "layer1", "layer2"}, {"layer3", "fc"}),
        (2, {"conv1", "bn1", "layer1", "layer2", "layer3"}, {"fc"}),
    ):
        method = enter(dfa(), place)
        label, _, _ = method.bridge(make_batch(method), place, method.alphas(place))
        assert gradients(method, label) == after | {f"to_student.{place}", f"betas.{place}"}
        _, feature, _ = method.bridge(make_batch(method), place, method.alphas(place))
        assert gradients(method, feature) == before | {f"to_teacher.{place}", f"betas.{place}"}
    assert all(parameter.grad is None for parameter in method.context.teacher.parameters())


def test_the_last_groups_expressivity_is_the_students_own_head_on_the_fed_map() -> None:
    method = enter(dfa(standardized=False), 2)
    batch = make_batch(method)
    label, _, logits = method.bridge(batch, 2, method.alphas(2))
    mean = (batch.teacher.maps[4] + batch.teacher.maps[5]) / 2
    fed = functional.adaptive_avg_pool2d(method.to_student[2](mean), 2)
    head = method.context.student.classifier
    torch.testing.assert_close(logits, head(fed.mean(dim=(2, 3))))
    assert label.item() == pytest.approx(functional.cross_entropy(logits, batch.targets).item())


def test_the_student_learns_from_one_half_and_the_shares_from_the_other() -> None:
    """Whatever the other half says changes no student's step, and the other way round."""
    steps = []
    for seeds in ((0, 1), (0, 2), (3, 1)):
        method = enter(dfa(), 0)
        batch, other = (make_batch(method, seed=seed) for seed in seeds)
        updates = method.updates(replace(batch, other_half=other))
        first = next(updates)
        assert first.group == "student" and first.logits is not None
        torch.stack(list(first.terms.values())).sum().backward()
        assert method.betas[0].grad is None
        weights = method.context.student.classifier.weight.grad.clone()
        second = next(updates)
        assert second.group == "aggregation" and list(updates) == []
        steps.append((weights, second.terms["search_label"].item()))
    assert torch.equal(steps[0][0], steps[1][0]) and not torch.equal(steps[0][0], steps[2][0])
    assert steps[0][1] != steps[1][1]


def test_the_loop_takes_both_halves_from_disjoint_images() -> None:
    method, seen = dfa(search_share=0.5), ([], [])
    updates = method.updates

    def watched(batch: Any) -> Any:
        if batch.other_half is not None:
            seen[0].extend(batch.indices.tolist())
            seen[1].extend(batch.other_half.indices.tolist())
        return updates(batch)

    method.updates = watched
    make_trainer(method, make_training(epochs=2)).run()
    first, second = set(seen[0]), set(seen[1])
    assert len(first) == len(second) >= 16 and not first & second


def test_the_training_after_the_searches_is_as_long_as_the_job_says() -> None:
    trainer = make_trainer(dfa(search_share=0.5), make_training(epochs=2, batch_size=8), num_train=40)
    assert [stage.end_step - stage.first_step for stage in trainer.plan.stages] == [5, 5, 5, 10]


def made_up(make_maps: Any, seed: Any) -> Batch:
    """A batch of noise images and random classes, with these maps for the first group's two layers."""
    draws = torch.Generator().manual_seed(seed)
    views = torch.rand(16, 3, 8, 8, generator=draws)
    targets = torch.randint(0, 4, (16,), generator=draws)
    unused = (torch.zeros(1),) * 4
    teacher = Features(None, None, (*make_maps(views, targets, draws), *unused))
    return Batch(views, targets, torch.arange(16), teacher=teacher)


def searched(knobs: Any, make_maps: Any, steps: int = 40) -> Any:
    """The shares of the first group's layers after a search on made-up maps of an untrained teacher."""
    method = enter(dfa(regularization=0.0, standardized=False, **knobs), 0)
    groups = {name: torch.optim.SGD(group, lr=0.1, momentum=0.9) for name, group in method.parameter_groups().items()}
    for step in range(steps):
        first, second = (made_up(make_maps, 2 * step + part) for part in range(2))
        for update in method.updates(replace(first, other_half=second)):
            groups[update.group].zero_grad()
            torch.stack(list(update.terms.values())).sum().backward()
            groups[update.group].step()
    return method.alphas(0).tolist()


def noise_and_labels(views: Any, targets: Any, draws: Any) -> tuple[Any, ...]:
    noise = torch.randn(16, 16, 8, 8, generator=draws)
    informative = torch.zeros(16, 16, 8, 8)
    informative[torch.arange(16), targets] = 2.0
    return noise, informative


def easy_and_noise(views: Any, targets: Any, draws: Any) -> tuple[Any, ...]:
    easy = views.mean(dim=1, keepdim=True).expand(-1, 16, -1, -1)
    return easy, torch.randn(16, 16, 8, 8, generator=draws)


def test_expressivity_alone_chooses_the_layer_that_tells_the_classes() -> None:
    shares = searched({"learnability_weight": 0.0}, noise_and_labels)
    assert shares[1] > 0.8


def test_learnability_alone_collapses_to_the_layer_that_is_easy_to_copy() -> None:
    shares = searched({"expressivity_weight": 0.0}, easy_and_noise)
    assert shares[0] > 0.8


def test_every_stage_begins_with_the_same_student_and_keeps_what_was_found() -> None:
    context = make_context(image_size=8)
    before = snapshot(context.student)
    method = dfa(context, search_share=0.5, search_rate=50.0)
    starts = []
    begin = method.begin_stage

    def watched(stage: Any) -> None:
        begin(stage)
        starts.append((stage.name, snapshot(context.student), method.found()))

    method.begin_stage = watched
    make_trainer(method, make_training(epochs=2)).run()
    assert [name for name, _, _ in starts] == ["search layer1", "search layer2", "search layer3", "train"]
    assert all(same_weights(student, before) for _, student, _ in starts)
    assert not same_weights(snapshot(context.student), before)
    even = dfa().found()
    assert [sum(found[tap] != even[tap] for tap in GIVEN) for _, _, found in starts] == [0, 1, 2, 3]
    assert method.found() == starts[-1][2]


def test_what_was_found_can_be_given_to_a_later_job() -> None:
    first, training = dfa(search_share=0.5, search_rate=50.0), make_training(max_steps=4)
    make_trainer(first, training).run()
    found = json.loads(json.dumps(first.products().shares))
    second = dfa(aggregation=found)
    assert second.stages() == (Stage(),) and not any(beta.requires_grad for beta in second.betas)
    for place in range(3):
        torch.testing.assert_close(second.alphas(place), first.alphas(place))
        assert second.alphas(place)[0] != 0.5
    make_trainer(second, training).run()
    weights = snapshot(second.deployed())
    for name, value in snapshot(first.deployed()).items():
        torch.testing.assert_close(weights[name], value, msg="the training after a search is that of given shares")


def test_training_sums_the_distances_to_the_aggregated_maps() -> None:
    method = enter(dfa(aggregation=GIVEN, weight=0.3, label_weight=0.5), 0)
    batch = make_batch(method)
    update = next(method.updates(batch))
    student = method.context.student.features(batch.views, method.needs.student_taps)
    seen = [each.numpy().astype(np.float64) for each in batch.teacher.maps]
    seen = [(m - m.mean((0, 2, 3), keepdims=True)) / (m.std((0, 2, 3), keepdims=True) + 1e-6) for m in seen]
    expected = 0.0
    for place, connector in enumerate(method.to_teacher):
        ours = connector(student.maps[place]).detach().numpy()
        expected += ((ours - 0.25 * seen[2 * place] - 0.75 * seen[2 * place + 1]) ** 2).mean()
    assert update.terms["feature"].item() == pytest.approx(0.3 * expected, rel=1e-3)
    label = functional.cross_entropy(student.logits, batch.targets).item()
    assert update.terms["label"].item() == pytest.approx(0.5 * label, rel=1e-5)


def test_a_share_of_one_is_that_layer_alone() -> None:
    one_hot = {tap: {f"{tap}.0": 0.0, f"{tap}.1": 1.0} for tap in GIVEN}
    method = dfa(aggregation=one_hot, standardized=False)
    batch = make_batch(method)
    for place in range(3):
        assert torch.equal(method.target(batch, place, method.alphas(place)), batch.teacher.maps[2 * place + 1])


def test_shares_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValidationError, match=r"'layer1' add up to 1\.5"):
        DfaKnobs(aggregation={"layer1": {"layer1.0": 0.75, "layer1.1": 0.75}})
    with pytest.raises(SpecInvalid, match=r"layer2: layer2\.0, layer2\.1"):
        dfa(aggregation={"layer1": GIVEN["layer1"]})


@pytest.mark.parametrize("student", ["cifar/vgg8", "cifar/mobilenetv2"])
def test_students_of_other_makes_and_resolutions(student: str) -> None:
    method = enter(dfa(make_context(student=make_network(student, image_size=32), image_size=32)), 1)
    for update in method.updates(make_batch(method, 2, size=32)):
        assert all(torch.isfinite(term) for term in update.terms.values())


def test_a_search_that_is_cut_ends_as_if_it_had_not_been() -> None:
    def build() -> Any:
        return make_trainer(dfa(search_share=0.5), make_training(epochs=2))

    uncut = build()
    uncut.run()
    boundaries = [stage.end_step for stage in uncut.plan.stages]
    for cut_at in (boundaries[0] - 1, boundaries[2]):
        first = build()

        class Cut(Exception):
            pass

        def cut(trainer: Any, cut_at: Any = cut_at) -> None:
            if trainer.step == cut_at:
                raise Cut

        first.after_step = cut
        with pytest.raises(Cut):
            first.run()
        second = build()
        second.load_state_dict(first.state_dict())
        second.run()
        assert same_weights(snapshot(uncut.method.deployed()), snapshot(second.method.deployed()))
        assert uncut.method.found() == second.method.found()
