"""The network as one self-contained ONNX file with metadata."""

import contextlib
import io
import json
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import Tensor, nn

from core.errors import InternalError
from core.evaluation.predict import evaluating
from core.networks.network import Network
from core.networks.trace import logits_of

OPSET = 18  # what torch's exporter writes natively from 2.11 to 2.15; onnxruntime reads it since 1.14
INPUT_NAME = "images"
OUTPUT_NAME = "logits"
PLAIN = ("retort", "architecture")  # metadata that is no JSON


def write_onnx(network: Network, path: Path, *, optimized: bool = True) -> None:
    """The wrapped module, in eval mode, as one ONNX file on the CPU.

    `images` (float32 batch 3 S S, normalized) -> `logits` (float32 batch K); `optimized`: the exporter simplifies the
    graph. Raises InternalError if the export fails.
    """
    size = network.input.size
    example = torch.zeros(2, 3, size, size)  # the exporter would treat a batch of 1 as a constant
    try:
        with _quiet(), evaluating(network):
            torch.onnx.export(
                _Logits(network.module),
                (example,),
                str(path),
                input_names=[INPUT_NAME],
                output_names=[OUTPUT_NAME],
                opset_version=OPSET,
                dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
                dynamo=True,
                external_data=False,
                optimize=optimized,
                verbose=False,
            )
    except Exception as error:  # the exporter raises many kinds of errors
        raise InternalError(
            f"{network.architecture} cannot be written as ONNX: {type(error).__name__}: {str(error)[:500]}",
            hint="Leave onnx out of `exports`, or choose another architecture.",
            pointer="/exports",
        ) from error
    _forget_machine(path)


def read_facts(path: Path) -> dict[str, Any]:
    """The metadata that `describe` wrote into an ONNX file: architecture, classes, preprocessing, parity."""
    notes = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    return {key: value if key in PLAIN else json.loads(value) for key, value in notes.items()}


class _Logits(nn.Module):
    """Only the logits of a module that may return auxiliary ones beside them."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, images: Tensor) -> Tensor:
        return logits_of(self.module(images))


def describe(path: Path, **facts: Any) -> None:
    """Put `facts` into the ONNX file's metadata: those in PLAIN as they are, everything else as JSON."""
    model = onnx.load(path)
    del model.metadata_props[:]
    for key, value in {"retort": "1", **facts}.items():
        text = value if key in PLAIN else json.dumps(value, ensure_ascii=False)
        model.metadata_props.add(key=key, value=text)
    model.producer_name = "retort"
    onnx.save(model, path)


def _forget_machine(path: Path) -> None:
    """Remove the exporter's debugging notes, which contain source lines and paths of this machine."""
    model = onnx.load(path)
    graph = model.graph
    for part in (graph, *graph.node, *graph.input, *graph.output, *graph.initializer, *graph.value_info):
        del part.metadata_props[:]
    onnx.save(model, path)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Suppress the exporter's progress lines, because the engine's stdout carries events only."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "torch.export", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
