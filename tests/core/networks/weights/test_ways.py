"""Checkpoints of training programs: the network that is meant is found, whatever is around it."""

from pathlib import Path

import pytest
import torch
from checkpoints import WAYS, State, below, other, without_head

from core.errors import TeacherLoadFailed
from core.networks.network import Network
from core.networks.weights.fit import Fitted, fit, num_classes_of
from core.networks.weights.reading import read_weights
from core.networks.zoo import build, outline
from core.policy import Policy

POINTER = "/teacher/weights"


@pytest.fixture(scope="module")
def network() -> Network:
    return build("cifar/resnet8", 5).eval()


@pytest.fixture
def state(network: Network) -> State:
    """Trained values: none is what a fresh network has."""
    numbers = torch.Generator().manual_seed(0)
    return {
        key: torch.rand(value.shape, generator=numbers) if value.is_floating_point() else value + 3
        for key, value in network.module.state_dict().items()
    }


def fitted(network: Network, path: Path, **options: object) -> Fitted:
    tensors, _ = read_weights(path, policy=Policy(), pointer=POINTER)
    return fit(network, tensors, source=path.name, pointer=POINTER, **options)


def same(found: State, expected: State) -> bool:
    return all(
        torch.equal(found[key].double(), value.double()) for key, value in expected.items() if "num_batches" not in key
    )


@pytest.mark.parametrize("way", WAYS)
def test_the_trained_network_is_found(way: str, network: Network, state: State, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pth"
    torch.save(WAYS[way](state), path)
    assert same(fitted(network, path).state, state)


@pytest.mark.parametrize("way", ["timm", "a path in hyper-parameters", "numpy scalar", "date"])
def test_files_of_the_format_before_zip_archives_are_read_as_well(
    way: str, network: Network, state: State, tmp_path: Path
) -> None:
    path = tmp_path / "checkpoint.pth"
    torch.save(WAYS[way](state), path, _use_new_zipfile_serialization=False)
    assert same(fitted(network, path).state, state)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float8_e4m3fn])
def test_weights_of_lower_precision_are_taken_at_their_values(
    dtype: torch.dtype, network: Network, state: State, tmp_path: Path
) -> None:
    lower = {key: value.to(dtype) if value.is_floating_point() else value for key, value in state.items()}
    torch.save(lower, tmp_path / "half.pth")
    assert same(fitted(network, tmp_path / "half.pth").state, lower)


@pytest.mark.parametrize("way", ["head named linear", "timm", "a list of networks", "ema-pytorch"])
def test_the_number_of_classes_is_read_before_the_network_is_built(way: str, state: State, tmp_path: Path) -> None:
    torch.save(WAYS[way](state), tmp_path / "checkpoint.pth")
    tensors, _ = read_weights(tmp_path / "checkpoint.pth", policy=Policy())
    assert num_classes_of(outline("cifar/resnet8"), tensors) == 5


def warned(network: Network, content: object, tmp_path: Path) -> list[str]:
    torch.save(content, tmp_path / "checkpoint.pth")
    return [f"{each.code}: {each.message}" for each in fitted(network, tmp_path / "checkpoint.pth").warnings]


def test_two_networks_that_fit_are_told_with_the_one_that_is_used(
    network: Network, state: State, tmp_path: Path
) -> None:
    (told,) = warned(network, {"model": other(state), "model_ema": state}, tmp_path)
    assert told.startswith("WEIGHTS_AMBIGUOUS")
    assert told.index("model_ema is used") < told.index("not model")


def test_the_same_network_twice_is_no_choice(network: Network, state: State, tmp_path: Path) -> None:
    copied = {key: value.clone() for key, value in state.items()}
    assert warned(network, {"model": state, "model_ema": copied}, tmp_path) == []


def test_further_heads_are_told(network: Network, state: State, tmp_path: Path) -> None:
    (told,) = warned(network, WAYS["a further head"](state), tmp_path)
    assert told.startswith("WEIGHTS_IGNORED")
    assert "aux_head" in told


@pytest.mark.parametrize("extra", [
    {"layer4.0.conv1.weight": torch.ones(4, 4, 3, 3)}, {"aux_head.conv.weight": torch.ones(4, 4, 3, 3)},
    {"fc.2.weight": torch.ones(5, 5)}, {"stem.weight": torch.ones(5)},
])  # fmt: skip
def test_layers_that_the_network_would_have_to_run_are_not_passed_over(
    extra: State, network: Network, state: State, tmp_path: Path
) -> None:
    torch.save(state | extra, tmp_path / "checkpoint.pth")
    with pytest.raises(TeacherLoadFailed, match=rf"1 unexpected \({next(iter(extra))}\)"):
        fitted(network, tmp_path / "checkpoint.pth")


@pytest.mark.parametrize("prefix", ["", "module.encoder_q.", "backbone.", "teacher.backbone."])
def test_an_encoder_without_classifier_is_named_as_such(
    prefix: str, network: Network, state: State, tmp_path: Path
) -> None:
    torch.save({"state_dict": below(prefix, without_head(state))}, tmp_path / "encoder.pth")
    with pytest.raises(TeacherLoadFailed, match=r"2 missing \(fc.weight, fc.bias\)") as caught:
        fitted(network, tmp_path / "encoder.pth")
    assert "classifier" in caught.value.hint


@pytest.mark.parametrize("head", [{}, {"fc.0.weight": torch.ones(8, 64), "fc.2.weight": torch.ones(4, 8)}])
def test_a_student_begins_with_an_encoder_and_its_own_classifier(
    head: State, network: Network, state: State, tmp_path: Path
) -> None:
    torch.save(below("module.encoder_q.", without_head(state) | head), tmp_path / "encoder.pth")
    found = fitted(network, tmp_path / "encoder.pth", strict_head=False).state
    assert same(found, without_head(state))
    assert torch.equal(found["fc.weight"], network.module.fc.weight)


def test_a_classifier_for_other_features_is_told_by_its_shape(network: Network, state: State, tmp_path: Path) -> None:
    torch.save(state | {"fc.weight": torch.ones(5, 128)}, tmp_path / "wide.pth")
    with pytest.raises(TeacherLoadFailed, match=r"fc.weight \(5, 128\) instead of \(5, 64\)"):
        fitted(network, tmp_path / "wide.pth")


def converted(state: State) -> State:
    """The names of another program, the layers in their order."""
    kept = {key: value for key, value in state.items() if "num_batches" not in key}
    return {f"tensor_{chr(ord('a') + number % 7)}{'x' * number}": value for number, value in enumerate(kept.values())}


RENAMED = {
    "plain": converted,
    "beside an optimizer": lambda s: {"state_dict": converted(s), "optimizer": optimizer_of(s)},
}


def optimizer_of(state: State) -> dict[str, object]:
    return {"state": {0: {"exp_avg": state["fc.weight"]}}}


@pytest.mark.parametrize("renaming", RENAMED)
def test_a_renamed_checkpoint_is_offered_in_order_and_loads_so(
    renaming: str, network: Network, state: State, tmp_path: Path
) -> None:
    path = tmp_path / "renamed.pth"
    torch.save(RENAMED[renaming](state), path)
    with pytest.raises(TeacherLoadFailed, match="fit in order") as caught:
        fitted(network, path)
    assert "by_order" in caught.value.hint
    found = fitted(network, path, weights_map="by_order")
    assert same(found.state, state)
    assert [each.code for each in found.warnings] == ["WEIGHTS_BY_ORDER"]
    tensors, _ = read_weights(path, policy=Policy())
    assert num_classes_of(outline("cifar/resnet8"), tensors, "by_order") == 5


def test_keras_words_keep_the_parameters_of_a_norm_apart(network: Network, state: State, tmp_path: Path) -> None:
    words = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}
    renamed: State = {}
    for key, value in state.items():
        path, _, leaf = key.rpartition(".")
        if "bn" in path and leaf in words:
            renamed[f"{path.replace('.', '_')}/{words[leaf]}.{words[leaf]}"] = value
        elif "num_batches" not in key:
            renamed[f"{path.replace('.', '_')}/kernel.{leaf}"] = value
    torch.save(renamed, tmp_path / "keras.pth")
    assert same(fitted(network, tmp_path / "keras.pth", weights_map="by_order").state, state)
    names, first = list(renamed), list(renamed).index("bn1/gamma.gamma")
    names[first], names[first + 1] = names[first + 1], names[first]
    swapped = {name: renamed[name] for name in names}
    torch.save(swapped, tmp_path / "swapped.pth")
    with pytest.raises(TeacherLoadFailed, match="in order"):
        fitted(network, tmp_path / "swapped.pth", weights_map="by_order")


def test_shapes_that_fit_in_no_order_are_not_offered(network: Network, state: State, tmp_path: Path) -> None:
    torch.save(dict(reversed(converted(state).items())), tmp_path / "renamed.pth")
    with pytest.raises(TeacherLoadFailed) as caught:
        fitted(network, tmp_path / "renamed.pth")
    assert "by_order" not in caught.value.hint
    with pytest.raises(TeacherLoadFailed, match="in order") as caught:
        fitted(network, tmp_path / "renamed.pth", weights_map="by_order")
    assert caught.value.pointer == "/teacher/weights_map"
