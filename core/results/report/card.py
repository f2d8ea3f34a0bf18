"""model_card.md: the model card that Hugging Face reads, with YAML in front and prose for people."""

import html
import inspect
from importlib.resources import files
from typing import Any

import jinja2
from huggingface_hub import EvalResult, ModelCardData

from core.data import decode
from core.results.report import words
from core.results.report.outcome import Outcome
from core.results.report.rows import rows
from core.results.report.taught import adaptation, deadline, initial_weights, taught
from core.results.report.verdict import verdict
from core.spec.projected import base_of

LIBRARIES = {"torchvision": "torchvision", "timm": "timm"}
DEFAULT_LIBRARY = "pytorch"
LAST_IMPORT = "from PIL import Image\n"  # of core.data.decode: what follows is printed in the card


def model_card(outcome: Outcome) -> str:
    """The card as Markdown. Names that users chose are escaped, so that they stay text."""
    environment = jinja2.Environment(
        autoescape=False, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["plain"] = plain
    environment.globals.update(
        {name: getattr(words, name) for name in ("percent", "interval", "count", "size", "milliseconds", "speed")}
    )
    template = environment.from_string(
        files("core.results.report").joinpath("templates/model_card.md.j2").read_text("utf-8")
    )
    return template.render(
        front_matter=_front_matter(outcome),
        name=_name(outcome),
        outcome=outcome,
        rows=rows(outcome),
        verdict=verdict(outcome),
        methods=taught(outcome),
        target_uri=outcome.spec["dataset"].get("target_uri"),
        training=outcome.spec["training"],
        initial_weights=initial_weights(outcome),
        adaptation=adaptation(outcome),
        deadline=deadline(outcome),
        library=_library(outcome.student.architecture),
        parity=outcome.metrics.get("parity"),
        decoding=_decoding(),
        resize_mode=_resize_mode(outcome.preprocessing),
    )


def _decoding() -> str:
    """The engine's own functions that decode an image, as source: they need Pillow and numpy alone."""
    return inspect.getsource(decode).partition(LAST_IMPORT)[2].strip()


def _resize_mode(preprocessing: dict[str, Any]) -> str:
    """The filter of the last resize: bilinear or bicubic."""
    resizes = [step for step in preprocessing["steps"] if step["step"] == "resize"]
    return str(resizes[-1]["interpolation"])


def plain(text: str) -> str:
    """`text` escaped for Markdown: it is shown unchanged and cannot make HTML, table cells, emphasis or line breaks."""
    escaped = html.escape(" ".join(str(text).split()), quote=False)
    for mark in "\\`*_[]|#":
        escaped = escaped.replace(mark, f"\\{mark}")
    return escaped


def _front_matter(outcome: Outcome) -> str:
    hub_dataset = _hub_name(outcome.dataset.uri)
    data = ModelCardData(
        library_name=_library(outcome.student.architecture),
        pipeline_tag="image-classification",
        tags=["image-classification", "knowledge-distillation", "retort", "onnx"],
        datasets=[hub_dataset] if hub_dataset else None,
        metrics=["accuracy"],
        base_model=_base_model(outcome.spec.get("teacher")),
        model_name=_name(outcome),
        eval_results=_results(outcome, hub_dataset),
    )
    return data.to_yaml(line_break="\n").strip()


def _results(outcome: Outcome, hub_dataset: str | None) -> list[EvalResult]:
    test = outcome.metrics.get("test") or {}
    named = (("top1", "accuracy", "Top-1 accuracy"), ("top5", "accuracy", "Top-5 accuracy"), ("ece", "ece", "ECE"))
    return [
        EvalResult(
            task_type="image-classification",
            dataset_type=hub_dataset or "custom",
            dataset_name=hub_dataset or outcome.dataset.uri.rstrip("/").rpartition("/")[2],
            dataset_split="test",
            metric_type=kind,
            metric_name=title,
            metric_value=round(test[key], 6),
        )
        for key, kind, title in named
        if test.get(key) is not None
    ]


def _hub_name(uri: str) -> str | None:
    """owner/name of an hf: URI. The hub refuses other values, and a private address means nothing to a stranger."""
    scheme, _, rest = uri.partition(":")
    parts = rest.strip("/").removeprefix("datasets/").split("/")
    return "/".join(parts[:2]) if scheme == "hf" and len(parts) >= 2 else None


def _base_model(teacher: dict[str, Any] | None) -> str | None:
    """The teacher by its name on the hub, where it has one: timm's published weights do, torchvision's do not."""
    if not teacher:
        return None
    architecture, weights = teacher.get("architecture") or "", teacher.get("weights")
    if weights:
        return _hub_name(weights)
    return architecture if architecture.startswith("timm/") and "." in architecture else None


def _library(architecture: str) -> str:
    """The library whose code builds the network; none for a network with a projector."""
    is_plain = base_of(architecture) == architecture
    return LIBRARIES.get(architecture.partition("/")[0], DEFAULT_LIBRARY) if is_plain else DEFAULT_LIBRARY


def _name(outcome: Outcome) -> str:
    return outcome.spec.get("name") or f"{outcome.student.architecture} for {len(outcome.classes)} classes"
