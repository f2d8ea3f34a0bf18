import json
import math
from typing import Any

import pytest
import torch
from torch import nn

from core.evaluation.metrics import TOP_K, compare, confusion, measure
from core.evaluation.predict import evaluating, predict
from core.statistics.paired import PairedCounts
from core.statistics.proportions import wilson
from core.system.device import images_at_once

CLASSES = ("ant", "bee", "cat", "dog", "elk", "fox", "gnu")


def random_case(num_images: int = 300, seed: int = 0, classes: Any = CLASSES) -> tuple[Any, ...]:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, len(classes), (num_images,), generator=generator)
    logits = torch.randn(num_images, len(classes), generator=generator) + 2 * nn.functional.one_hot(
        labels, len(classes)
    )
    return logits, labels


def test_accuracies_equal_a_count_image_by_image() -> None:
    logits, labels = random_case()
    ranks = [
        sum(other > row[label] for other in row) for row, label in zip(logits.tolist(), labels.tolist(), strict=True)
    ]
    measures = measure(logits, labels, CLASSES)
    assert measures["top1"] == sum(rank == 0 for rank in ranks) / 300
    assert measures["top5"] == sum(rank < TOP_K for rank in ranks) / 300
    assert measures["top1_interval"] == list(wilson(sum(rank == 0 for rank in ranks), 300))
    assert measures["top5"] > measures["top1"] > 0.5


def test_top5_is_null_where_it_would_always_be_right() -> None:
    logits, labels = random_case(classes=CLASSES[:5])
    assert measure(logits, labels, CLASSES[:5])["top5"] is None


def test_loss_equals_the_formula_written_out() -> None:
    logits, labels = random_case(20)
    rows = zip(logits.double().tolist(), labels.tolist(), strict=True)
    expected = sum(math.log(sum(math.exp(value) for value in row)) - row[label] for row, label in rows) / 20
    assert measure(logits, labels, CLASSES)["loss"] == pytest.approx(expected, abs=1e-9)


def test_confusion_rows_are_the_truth() -> None:
    matrix = confusion(torch.tensor([1, 1, 0, 2]), torch.tensor([0, 0, 0, 2]), 3)
    assert matrix.tolist() == [[1, 2, 0], [0, 0, 0], [0, 0, 1]]


def test_confusion_and_per_class_tell_the_same_story() -> None:
    logits, labels = random_case()
    measures = measure(logits, labels, CLASSES)
    for index, name in enumerate(CLASSES):
        facts, row = measures["per_class"][name], measures["confusion"][index]
        assert facts["num_images"] == sum(row) == int((labels == index).sum())
        assert facts["accuracy"] == row[index] / sum(row)
        assert facts["interval"] == list(wilson(row[index], sum(row)))


def test_a_class_without_images_is_unknown_not_zero() -> None:
    logits, labels = torch.eye(3), torch.tensor([0, 1, 1])
    measures = measure(logits, labels, ("a", "b", "empty"))
    assert measures["per_class"]["empty"] == {"accuracy": None, "interval": [0.0, 1.0], "num_images": 0}
    assert measures["confusion"] == [[1, 0, 0], [0, 1, 1], [0, 0, 0]]
    json.dumps(measures, allow_nan=False)


def test_calibration_error_equals_a_loop_over_bins() -> None:
    logits, labels = random_case(500)
    confidence, prediction = logits.double().softmax(1).max(1)
    expected = 0.0
    for place in range(15):
        inside = (confidence > place / 15) & (confidence <= (place + 1) / 15)
        if inside.any():
            gap = (prediction[inside] == labels[inside]).double().mean() - confidence[inside].mean()
            expected += inside.double().mean().item() * abs(gap.item())
    measures = measure(logits, labels, CLASSES)
    assert measures["ece"] == pytest.approx(expected, abs=1e-12)
    assert sum(bin_["count"] for bin_ in measures["reliability"]) == 500
    assert len(measures["reliability"]) == 15


def test_a_sure_and_right_network_is_calibrated_and_a_sure_and_wrong_one_is_not() -> None:
    sure = 50 * torch.eye(4)
    assert measure(sure, torch.arange(4), "abcd")["ece"] == pytest.approx(0)
    assert measure(sure, torch.arange(4).roll(1), "abcd")["ece"] == pytest.approx(1)


def test_agreement_counts_equal_choices_right_or_wrong() -> None:
    student = torch.tensor([[2.0, 1], [1, 2], [2, 1], [1, 2]])
    teacher = torch.tensor([[9.0, 0], [0, 9], [0, 9], [9, 0]])
    labels = torch.tensor([1, 1, 1, 1])
    assert measure(student, labels, "ab", teacher)["teacher_agreement"] == 0.5
    assert measure(student, labels, "ab")["teacher_agreement"] is None


@pytest.mark.parametrize("poison", [float("nan"), float("inf"), float("-inf")])
def test_a_logit_that_is_not_finite_is_a_wrong_answer_and_spoils_the_means(poison: float) -> None:
    logits, labels = 5 * torch.eye(6), torch.arange(6)
    logits[2, 2] = poison
    measures = measure(logits, labels, "abcdef", teacher_logits=5 * torch.eye(6))
    assert measures["num_nonfinite"] == 1
    assert measures["top1"] == measures["teacher_agreement"] == 5 / 6
    assert measures["top5"] == 5 / 6
    assert measures["per_class"]["c"]["accuracy"] == 0
    assert measures["confusion"][2] == [0] * 6
    assert measures["loss"] is None and measures["ece"] is None
    json.dumps(measures, allow_nan=False)


def test_equal_logits_fall_to_the_first_class() -> None:
    assert measure(torch.zeros(4, 2), torch.tensor([0, 0, 1, 1]), "ab")["confusion"] == [[2, 0], [2, 0]]


def test_an_empty_split_has_no_accuracy() -> None:
    measures = measure(torch.zeros(0, 3), torch.zeros(0, dtype=torch.long), "abc")
    assert measures["top1"] is None and measures["loss"] is None and measures["top1_interval"] == [0.0, 1.0]
    json.dumps(measures, allow_nan=False)


def test_shapes_that_do_not_fit_are_named() -> None:
    with pytest.raises(ValueError, match=r"logits are \(3, 3\); 2 labels of 3 classes need \(2, 3\)"):
        measure(torch.eye(3), torch.arange(2), "abc")
    with pytest.raises(ValueError, match="teacher_logits are"):
        measure(torch.eye(3), torch.arange(3), "abc", torch.eye(2))
    with pytest.raises(ValueError, match="labels run from 0 to 3; there are 3 classes"):
        measure(torch.eye(3), torch.tensor([0, 1, 3]), "abc")


def views(images: Any) -> Any:
    return images.float() / 255


def network_with_batch_norm() -> Any:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))


def test_prediction_does_not_depend_on_the_batch_size_and_leaves_the_network_as_it_was() -> None:
    network, images = network_with_batch_norm().train(), torch.randint(0, 256, (10, 3, 8, 8), dtype=torch.uint8)
    network[1].eval()  # a frozen part must stay frozen
    before = {key: value.clone() for key, value in network.state_dict().items()}
    small = predict(network, images, views=views, batch_size=3)
    torch.testing.assert_close(small, predict(network, images, views=views, batch_size=64))
    assert small.shape == (10, 3) and small.dtype == torch.float32
    assert network.training and network[0].training and not network[1].training
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_prediction_uses_running_statistics() -> None:
    network, images = network_with_batch_norm(), torch.randint(0, 256, (6, 3, 8, 8), dtype=torch.uint8)
    with torch.no_grad():
        expected = network.eval()(images.float() / 255)
    torch.testing.assert_close(predict(network.train(), images, views=views), expected)


class NeedsRoom(nn.Module):
    """Runs out of memory with more than `room` images; `seen` are the sizes that it was asked for."""

    def __init__(self, room: Any) -> None:
        super().__init__()
        self.network, self.room, self.seen = network_with_batch_norm(), room, []

    def forward(self, pixels: Any) -> Any:
        self.seen.append(len(pixels))
        if len(pixels) > self.room:
            raise torch.OutOfMemoryError("out of memory")
        return self.network(pixels)


def test_memory_that_runs_out_is_met_with_half_the_images_from_there_on() -> None:
    network, images = NeedsRoom(3).train(), torch.randint(0, 256, (11, 3, 8, 8), dtype=torch.uint8)
    said = predict(network, images, views=views, batch_size=64)
    assert network.seen == [11, 6, 3, 3, 3, 2]
    assert torch.equal(said, predict(network, images, views=views, batch_size=3))
    assert network.training and network.network.training


def test_a_single_image_that_does_not_fit_is_an_error_and_so_is_anything_else() -> None:
    network, images = NeedsRoom(0), torch.zeros(5, 3, 8, 8, dtype=torch.uint8)
    with pytest.raises(torch.OutOfMemoryError):
        predict(network, images, views=views)
    assert network.seen == [5, 3, 2, 1]
    with pytest.raises(RuntimeError, match="channels"):
        predict(network_with_batch_norm(), images[:, :1], views=views)


def test_modes_come_back_after_an_error() -> None:
    network = network_with_batch_norm().train()
    with pytest.raises(RuntimeError, match="midway"), evaluating(network):
        assert not network.training
        raise RuntimeError("midway")
    assert network.training


def test_no_images_cannot_be_predicted() -> None:
    with pytest.raises(ValueError, match="the split is empty"):
        predict(network_with_batch_norm(), torch.zeros(0, 3, 8, 8, dtype=torch.uint8), views=views)


def test_large_images_go_through_in_smaller_batches() -> None:
    sizes = (8, 32, 128, 224, 1024)
    assert [images_at_once(size, torch.device("cpu")) for size in sizes] == [64, 64, 64, 20, 8]
    assert [images_at_once(size, torch.device("cuda")) for size in sizes] == [1024, 1024, 196, 64, 64]


def test_two_networks_are_compared_image_by_image() -> None:
    labels = torch.tensor([0, 1, 0, 1, 0])
    right = nn.functional.one_hot(labels, 2).float()
    wrong = 1 - right
    first = torch.stack([right[0], wrong[1], right[2], wrong[3], right[4]])
    second = torch.stack([right[0], right[1], wrong[2], wrong[3], torch.full((2,), float("nan"))])
    assert compare(first, second, labels) == PairedCounts(5, first_only=2, second_only=1)
    assert compare(first[:0], second[:0], labels[:0]) is None
