"""model_card.md: the model card that Hugging Face reads, with YAML in front and prose for people."""

import html
from importlib.resources import files
from typing import Any

import jinja2
from huggingface_hub import EvalResult, ModelCardData

from core.methods import find
from core.report import words
from core.report.outcome import Outcome
from core.report.rows import rows
from core.report.verdict import verdict

LIBRARIES = {"torchvision": "torchvision", "timm": "timm"}
DEFAULT_LIBRARY = "pytorch"


def model_card(outcome: Outcome) -> str:
    """The card as Markdown. Names that users chose are escaped, so that they stay text."""
    environment = jinja2.Environment(
        autoescape=False, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["plain"] = plain
    environment.globals.update({name: getattr(words, name) for name in ("percent", "interval", "count", "size")})
    template = environment.from_string(files("core.report").joinpath("templates/model_card.md.j2").read_text("utf-8"))
    method = find(outcome.spec["method"]["name"])
    return template.render(
        front_matter=_front_matter(outcome),
        name=_name(outcome),
        outcome=outcome,
        rows=rows(outcome),
        verdict=verdict(outcome),
        method=outcome.spec["method"],
        method_formula=(method.__doc__ or "").strip(),
        method_source=method.source,
        training=outcome.spec["training"],
        library=_library(outcome.student.architecture),
        parity=outcome.metrics.get("parity"),
    )


def plain(text: str) -> str:
    """`text` as Markdown that shows it as it is: no HTML, no table cell, no emphasis, no line break."""
    escaped = html.escape(" ".join(str(text).split()), quote=False)
    for mark in "\\`*_[]|#":
        escaped = escaped.replace(mark, f"\\{mark}")
    return escaped


def _front_matter(outcome: Outcome) -> str:
    dataset = outcome.dataset.uri
    data = ModelCardData(
        library_name=_library(outcome.student.architecture),
        pipeline_tag="image-classification",
        tags=["image-classification", "knowledge-distillation", "retort", "onnx"],
        datasets=[dataset],
        metrics=["accuracy"],
        base_model=_base_model(outcome.spec.get("teacher")),
        model_name=_name(outcome),
        eval_results=_results(outcome, dataset),
    )
    return data.to_yaml(line_break="\n").strip()


def _results(outcome: Outcome, dataset: str) -> list[EvalResult]:
    test = outcome.metrics.get("test") or {}
    named = (("top1", "accuracy", "Top-1 accuracy"), ("top5", "accuracy", "Top-5 accuracy"), ("ece", "ece", "ECE"))
    return [
        EvalResult(
            task_type="image-classification",
            dataset_type=dataset,
            dataset_name=dataset,
            dataset_split="test",
            metric_type=kind,
            metric_name=title,
            metric_value=round(test[key], 6),
        )
        for key, kind, title in named
        if test.get(key) is not None
    ]


def _base_model(teacher: dict[str, Any] | None) -> str | None:
    """The teacher, where it is a published network: a private URI or a job's id means nothing to a stranger."""
    if not teacher:
        return None
    weights = teacher.get("weights")
    if weights and weights.startswith("hf:"):
        return "/".join(weights.removeprefix("hf:").strip("/").split("/")[:2])
    return None if weights else teacher.get("architecture")


def _library(architecture: str) -> str:
    return LIBRARIES.get(architecture.partition("/")[0], DEFAULT_LIBRARY)


def _name(outcome: Outcome) -> str:
    return outcome.spec.get("name") or f"{outcome.student.architecture} for {len(outcome.classes)} classes"
