"""timm's classifiers: families of every kind tap; published weights come as safetensors from a (local) hub."""

import hashlib
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from core.errors import ArchitectureUnknown, TeacherLoadFailed
from core.networks import timm_zoo
from core.networks.zoo import build, outline

pytestmark = pytest.mark.slow

# (resolutions of the taps, layout of the last, classifiers) at the size given
FAMILIES = {
    "resnet10t": (64, [32, 16, 8, 4, 2], "nchw", 1),
    "mobilenetv3_small_050": (64, [32, 16, 8, 4, 2], "nchw", 1),
    "convnextv2_atto": (64, [16, 8, 4, 2], "nchw", 1),
    "efficientvit_b0": (64, [32, 16, 8, 4, 2], "nchw", 1),
    "test_mambaout": (160, [80, 40, 20, 10, 5], "nhwc", 1),
    "swin_tiny_patch4_window7_224": (224, [56, 28, 14, 7], "nhwc", 1),
    "pvt_v2_b0": (224, [56, 28, 14, 7], "nchw", 1),
    "vit_tiny_patch16_224": (64, [4], "tokens", 1),
    "deit_tiny_distilled_patch16_224": (64, [4], "tokens", 2),
    "vit_small_patch14_reg4_dinov2": (70, [5], "tokens", 1),
    "levit_128s": (224, [112, 56, 28, 14, 7, 4], "tokens", 2),
    "cait_xxs24_224": (224, [14], "tokens", 1),
    "mixer_s32_224": (224, [7], "tokens", 1),
    "repvit_m0_9": (64, [32, 16, 8, 4, 2], "nchw", 2),
    "volo_d1_224": (224, [112, 28, 14], "tokens", 2),
    "halonet26t": (256, [128, 64, 32, 16, 8], "nchw", 1),
}


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_builds_for_any_number_of_classes_and_has_taps(name: str) -> None:
    size, sides, layout, num_classifiers = FAMILIES[name]
    network = outline(f"timm/{name}", 7, image_size=size).eval()
    device = next(network.parameters()).device
    with torch.no_grad():
        features = network.features(torch.zeros(2, 3, size, size, device=device), range(len(network.tap_points)))
    assert features.logits.shape == (2, 7)
    assert features.pooled.shape == (2, network.pooled_width)
    assert [t.height for t in network.tap_points] == sides
    assert [tuple(m.shape) for m in features.maps] == [(2, t.channels, t.height, t.width) for t in network.tap_points]
    assert network.tap_points[-1].layout == layout
    assert len(network.classifier_paths) == num_classifiers


@pytest.mark.parametrize(("name", "prefix"), [
    ("vit_tiny_patch16_224", 1), ("deit_tiny_distilled_patch16_224", 2), ("vit_small_patch14_reg4_dinov2", 5),
    ("mixer_s32_224", 0),
])  # fmt: skip
def test_the_tokens_before_the_patches_are_counted(name: str, prefix: int) -> None:
    size = {"vit_small_patch14_reg4_dinov2": 70, "mixer_s32_224": 224}.get(name, 64)
    assert outline(f"timm/{name}", 7, image_size=size).tap_points[-1].prefix == prefix


def test_the_input_is_that_of_the_published_weights() -> None:
    form = outline("timm/vit_tiny_patch16_224").input
    assert (form.size, form.mean, form.std, form.resize_mode) == (224, (0.5,) * 3, (0.5,) * 3, "bicubic")
    assert outline("timm/vit_tiny_patch16_384").input.size == 384


@pytest.mark.parametrize("wrong", ["resnet10x", "hf-hub:timm/resnet10t", "local-dir:/etc", "resnet10t.no_such_tag"])
def test_only_names_of_timms_own_registry_are_accepted(wrong: str) -> None:
    with pytest.raises(ArchitectureUnknown):
        build(f"timm/{wrong}", 3)


def test_near_misses_are_named() -> None:
    with pytest.raises(ArchitectureUnknown, match="timm/resnet10t"):
        build("timm/resnet10", 3)


def test_class_names_follow_the_published_labels() -> None:
    names = timm_zoo.classes("resnet10t")
    assert len(names) == 1000
    assert names[309] == "bee"
    assert len(timm_zoo.classes("convnextv2_nano.fcmae_ft_in22k_in1k")) == 1000
    assert timm_zoo.classes("vit_small_patch14_dinov2") is None


def test_weights_that_nobody_publishes_are_told() -> None:
    unpublished = next(name for name in timm_zoo.names() if not timm.is_model_pretrained(name))
    with pytest.raises(TeacherLoadFailed, match=f"timm/{unpublished}.*publishes none"):
        build(f"timm/{unpublished}", pretrained=True)


class Hub(BaseHTTPRequestHandler):
    """One file as the Hugging Face hub serves it: HEAD with commit and ETag, then GET."""

    files: dict[str, bytes] = {}  # noqa: RUF012

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, *, with_body: bool) -> None:
        content = self.files.get(self.path)
        self.send_response(200 if content is not None else 404)
        if content is None:
            self.send_header("X-Error-Code", "EntryNotFound")
        self.send_header("X-Repo-Commit", "0" * 40)
        self.send_header("ETag", f'"{hashlib.sha256(content or b"").hexdigest()}"')
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        if with_body and content:
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hub() -> Iterator[str]:
    Hub.files = {}
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


PROGRAM = """
import json, sys, torch
from pathlib import Path
from core.errors import TeacherLoadFailed
from core.networks.zoo import build
from core.policy import Policy
answers = {}
for name in ("test_resnet", "test_efficientnet", "test_vit"):
    try:
        policy = Policy(pickled_weights=False)
        network = build(f"timm/{name}", pretrained=True, cache=Path(sys.argv[1]), policy=policy).eval()
        with torch.no_grad():
            answers[name] = network(torch.ones(1, 3, 160, 160) * 0.25).flatten().tolist()[:5]
    except TeacherLoadFailed as error:
        answers[name] = error.message
print(json.dumps(answers))
"""


def publish(name: str, file: str, content: bytes) -> None:
    Hub.files[f"/{timm_zoo.config_of(name).hf_hub_id}/resolve/main/{file}"] = content


def test_published_weights_come_from_the_hub_as_safetensors_or_not_at_all(hub: str, tmp_path: Path) -> None:
    """In a process of its own, because the hub's client reads its address when it is imported."""
    torch.manual_seed(11)
    original = timm.create_model("test_resnet").eval()
    save_file(original.state_dict(), tmp_path / "model.safetensors")
    publish("test_resnet", "model.safetensors", (tmp_path / "model.safetensors").read_bytes())
    publish("test_efficientnet", "pytorch_model.bin", b"never read")

    root = str(Path(__file__).resolve().parents[3])
    environment = {"HF_ENDPOINT": hub, "PYTHONPATH": root, "PATH": "/usr/bin:/bin", "HF_HOME": str(tmp_path / "home")}
    program = [sys.executable, "-c", PROGRAM, str(tmp_path / "cache")]
    done = subprocess.run(program, env=environment, capture_output=True, text=True, timeout=200, check=True)
    answers = json.loads(done.stdout.splitlines()[-1])

    form = outline("timm/test_resnet").input
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (form.mean, form.std))
    with torch.no_grad():
        expected = original((torch.ones(1, 3, 160, 160) * 0.25 - mean) / std).flatten()[:5]
    torch.testing.assert_close(torch.tensor(answers["test_resnet"]), expected, rtol=1e-4, atol=1e-5)
    assert "timm/test_efficientnet are a pickled state dict" in answers["test_efficientnet"]
    assert "timm/test_vit" in answers["test_vit"]
