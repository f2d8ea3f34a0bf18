"""Weights files: what loads, what is refused, and that nothing is ever half loaded."""

import json
import pickle
import struct
from pathlib import Path

import pytest
import torch
from loading import load_weights
from safetensors.torch import save_file

from core.errors import TeacherLoadFailed
from core.networks.network import Network
from core.networks.weights.reading import read_weights
from core.networks.zoo import build
from core.policy import Policy

POLICY = Policy()


@pytest.fixture
def trained() -> Network:
    torch.manual_seed(3)
    return build("cifar/resnet8", 5).eval()


@pytest.fixture
def fresh() -> Network:
    torch.manual_seed(4)
    return build("cifar/resnet8", 5).eval()


def same_outputs(a: Network, b: Network) -> bool:
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        return torch.equal(a(images), b(images))


def state_of(network: Network) -> dict[str, torch.Tensor]:
    return dict(network.module.state_dict())


def prefixed(state: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {prefix + key: value for key, value in state.items()}


WRAPPINGS = {
    "plain": lambda state: state,
    "data parallel": lambda state: prefixed(state, "module."),
    "compiled and parallel": lambda state: prefixed(state, "_orig_mod.module."),
    "lightning": lambda state: {"state_dict": prefixed(state, "model."), "epoch": 3},
    "backbone": lambda state: {"model": prefixed(state, "backbone."), "optimizer": {"lr": 1.0}},
    "two wrappers": lambda state: {"model": {"state_dict": state}},
    "averaged weights first": lambda state: {
        "state_dict_ema": state,
        "state_dict": {k: v * 0 for k, v in state.items()},
    },
    "head named linear": lambda state: {k.replace("fc.", "linear."): v for k, v in state.items()},
    "no batch counters": lambda state: {k: v for k, v in state.items() if "num_batches" not in k},
}


@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_a_state_dict_loads_however_it_was_wrapped(
    wrapping: str, trained: Network, fresh: Network, tmp_path: Path
) -> None:
    path = tmp_path / "weights.pth"
    torch.save(WRAPPINGS[wrapping](state_of(trained)), path)
    assert not same_outputs(trained, fresh)
    load_weights(fresh, path, policy=POLICY)
    assert same_outputs(trained, fresh)


def test_safetensors_load_and_their_metadata_are_read(trained: Network, fresh: Network, tmp_path: Path) -> None:
    path = tmp_path / "weights"  # the content tells, not the name
    save_file(state_of(trained), path, metadata={"retort": "1", "architecture": "cifar/resnet8"})
    load_weights(fresh, path, policy=Policy(pickled_weights=False))
    assert same_outputs(trained, fresh)
    assert read_weights(path, policy=POLICY)[1]["architecture"] == "cifar/resnet8"


def refusal(network: Network, path: Path, policy: Policy = POLICY) -> TeacherLoadFailed:
    """The error of a load that must fail; checks that it left the network as it was."""
    before = {key: value.clone() for key, value in state_of(network).items()}
    with pytest.raises(TeacherLoadFailed) as caught:
        load_weights(network, path, policy=policy)
    assert all(torch.equal(value, before[key]) for key, value in state_of(network).items())
    assert caught.value.pointer == "/teacher/weights"
    return caught.value


def test_an_operator_may_refuse_pickles(trained: Network, tmp_path: Path) -> None:
    torch.save(state_of(trained), tmp_path / "weights.pth")
    error = refusal(trained, tmp_path / "weights.pth", Policy(pickled_weights=False))
    assert "weights.pth is no safetensors file" in error.message
    assert "save_file" in error.hint


class Bomb:
    def __reduce__(self) -> tuple:
        return exec, ("raise SystemExit('the pickle was executed')",)


@pytest.mark.parametrize("content", [{"state_dict": Bomb()}, Bomb()])
def test_a_pickle_that_would_run_code_is_refused_and_not_run(content: object, fresh: Network, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "evil.pth")
    assert "weights_only" in refusal(fresh, tmp_path / "evil.pth").message
    (tmp_path / "raw.pkl").write_bytes(pickle.dumps(content))
    assert "weights_only" in refusal(fresh, tmp_path / "raw.pkl").message


def test_a_whole_pickled_model_is_refused(trained: Network, tmp_path: Path) -> None:
    torch.save(trained.module, tmp_path / "model.pth")
    assert "weights_only" in refusal(trained, tmp_path / "model.pth").message


@pytest.mark.parametrize("content", [{"epoch": 3}, {"args": {"lr": 0.1}}, [1, 2], {"model": {"config": {}}}])
def test_a_file_without_a_state_dict_is_refused(content: object, fresh: Network, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "other.pth")
    assert "no state dict" in refusal(fresh, tmp_path / "other.pth").message


def test_weights_of_another_depth_are_refused_with_the_first_keys_and_counts(fresh: Network, tmp_path: Path) -> None:
    torch.save(state_of(build("cifar/resnet14", 5)), tmp_path / "deep.pth")
    message = refusal(fresh, tmp_path / "deep.pth").message
    assert "deep.pth does not fit cifar/resnet8: 36 unexpected (layer1.1.conv1.weight, " in message
    assert "and 31 more" in message
    assert "missing" not in message


def test_weights_of_another_width_are_refused_with_both_shapes(fresh: Network, tmp_path: Path) -> None:
    torch.save(state_of(build("cifar/resnet8x4", 5)), tmp_path / "wide.pth")
    message = refusal(fresh, tmp_path / "wide.pth").message
    assert "conv1.weight (32, 3, 3, 3) instead of (16, 3, 3, 3)" in message


def test_missing_keys_are_named_and_nothing_is_loaded_partially(
    trained: Network, fresh: Network, tmp_path: Path
) -> None:
    state = state_of(trained)
    del state["layer2.0.conv2.weight"]
    torch.save(state, tmp_path / "cut.pth")
    assert "1 missing (layer2.0.conv2.weight)" in refusal(fresh, tmp_path / "cut.pth").message


def test_another_number_of_classes_is_told_as_such(fresh: Network, tmp_path: Path) -> None:
    torch.save(state_of(build("cifar/resnet8", 12)), tmp_path / "twelve.pth")
    message = refusal(fresh, tmp_path / "twelve.pth").message
    assert message == "twelve.pth has 12 classes, cifar/resnet8 was built for 5"


def test_a_head_of_another_size_may_be_left_out(fresh: Network, tmp_path: Path) -> None:
    other = build("cifar/resnet8", 12)
    torch.save(state_of(other), tmp_path / "twelve.pth")
    head = fresh.classifier.weight.clone()
    load_weights(fresh, tmp_path / "twelve.pth", policy=POLICY, strict_head=False)
    assert torch.equal(fresh.classifier.weight, head)
    assert torch.equal(fresh.module.conv1.weight, other.module.conv1.weight)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(value: float, trained: Network, tmp_path: Path) -> None:
    state = {key: tensor.clone() for key, tensor in state_of(trained).items()}
    state["layer3.0.bn1.running_var"][2] = value
    torch.save(state, tmp_path / "nan.pth")
    assert "layer3.0.bn1.running_var holds NaN or infinite" in refusal(trained, tmp_path / "nan.pth").message


def test_option_a_weights_on_an_option_b_network_get_the_right_name_as_hint(tmp_path: Path) -> None:
    state = {k.replace("fc.", "linear."): v for k, v in state_of(build("cifar/resnet20a", 10)).items()}
    torch.save({"state_dict": prefixed(state, "module.")}, tmp_path / "a.th")
    assert "cifar/resnet20a" in refusal(build("cifar/resnet20", 10), tmp_path / "a.th").hint


def header_file(path: Path, header: dict | bytes, data: bytes = b"", length: int | None = None) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + data)
    return path


def entry(start: int, end: int) -> dict:
    return {"dtype": "F32", "shape": [(end - start) // 4], "data_offsets": [start, end]}


BROKEN = {
    "a header longer than the file": ({"a": entry(0, 4)}, b"1234", 1 << 40, "claims 1099511627776 bytes"),
    "a hole between tensors": ({"a": entry(0, 4), "b": entry(8, 12)}, b"1" * 12, None, "starts at byte 8"),
    "overlapping tensors": ({"a": entry(0, 8), "b": entry(4, 12)}, b"1" * 12, None, "starts at byte 4"),
    "a truncated file": ({"a": entry(0, 400)}, b"1" * 100, None, "end at byte 400 of 100"),
    "bytes after the last tensor": ({"a": entry(0, 4)}, b"1" * 100, None, "end at byte 4 of 100"),
    "a header that is no JSON": (b"{'a': 1}", b"", None, "not what the format says"),
    "a tensor without offsets": ({"a": {"dtype": "F32", "shape": [1]}}, b"1234", None, "not what the format says"),
    "offsets that are no numbers": ({"a": {"data_offsets": ["x", None]}}, b"", None, "not what the format says"),
    "three offsets": ({"a": {"data_offsets": [0, 4, 8]}}, b"1234", None, "not what the format says"),
    "a header nested too deep": (b"{" + b'"a":{' * 100_000, b"", None, "not what the format says"),
    "a shape that disagrees with its bytes": (
        {"a": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 4]}}, b"1234", None, "no valid safetensors",
    ),
}  # fmt: skip


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_safetensors_file_is_refused(broken: str, fresh: Network, tmp_path: Path) -> None:
    header, data, length, told = BROKEN[broken]
    message = refusal(fresh, header_file(tmp_path / "broken.safetensors", header, data, length)).message
    assert told in message
    assert "broken.safetensors" in message


@pytest.mark.parametrize("content", [b"", b"abc", b"not weights at all", b"\x00" * 50])
def test_a_file_of_something_else_is_refused(content: bytes, fresh: Network, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_bytes(content)
    assert "notes.txt" in refusal(fresh, tmp_path / "notes.txt").message


def test_a_file_that_is_not_there_is_told(fresh: Network, tmp_path: Path) -> None:
    assert "cannot read gone.pth: No such file" in refusal(fresh, tmp_path / "gone.pth").message
