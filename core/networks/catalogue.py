"""The lists of students and teachers that workers publish, each with its parameters, MACs and bytes."""

import importlib.metadata
import json
from typing import Any

from core.networks import cifar, tensorflow_zoo, timm_zoo, torchvision_zoo
from core.networks.budget import LARGE_INPUT_CANDIDATES, SMALL_INPUT_CANDIDATES, facts_of
from core.networks.sizing import LARGE_INPUT_SIZES, SMALL_INPUT_SIZES
from core.networks.zoo import CIFAR_CLASSES, CIFAR_SIZE, architectures

LARGE_SIZE, LARGE_CLASSES = 224, 1000


LIBRARIES = ("timm", "torchvision")


def catalogue() -> dict[str, Any]:
    """{"students": rows, "teachers": rows, "architectures": names, "libraries": versions} as JSON. Figures of timm
    networks that would need building the network are null. `architectures` has all names, with or without published
    weights; `libraries` are those that the rows depend on.
    """
    libraries = {name: importlib.metadata.version(name) for name in LIBRARIES}
    return {"students": students(), "teachers": teachers(), "architectures": architectures(), "libraries": libraries}


def as_text(found: dict[str, Any]) -> str:
    """A catalogue as JSON with one row or name a line, so that two versions can be compared by line."""
    return "{" + ",\n".join(f"{json.dumps(kind)}: {_lines(rows)}" for kind, rows in found.items()) + "}"


def _lines(rows: Any) -> str:
    if not isinstance(rows, list):
        return json.dumps(rows)
    return "[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]"


def students() -> list[dict[str, Any]]:
    """The four sizes for small and for large inputs, then every candidate of a budget, with measured figures."""
    small = _students("small", SMALL_INPUT_SIZES, SMALL_INPUT_CANDIDATES, CIFAR_CLASSES, CIFAR_SIZE)
    return small + _students("large", LARGE_INPUT_SIZES, LARGE_INPUT_CANDIDATES, LARGE_CLASSES, LARGE_SIZE)


def _students(
    inputs: str, sizes: dict[str, str], candidates: tuple[str, ...], num_classes: int, image_size: int
) -> list[dict[str, Any]]:
    size_of = {architecture: size for size, architecture in sizes.items()}
    names = [*size_of, *(name for name in candidates if name not in size_of)]
    return [
        {
            "size": size_of.get(name),
            "inputs": inputs,
            "published_weights": not name.startswith(("cifar/", "tensorflow/")),
            **facts_of(name, num_classes, image_size).model_dump(),
        }
        for name in names
    ]


def teachers() -> list[dict[str, Any]]:
    """Networks with published weights by library, and those that need a weights file: `cifar/` and `tensorflow/`."""
    published = [*map(_torchvision, torchvision_zoo.names()), *map(_timm, timm_zoo.pretrained_names())]
    return [*_cifar(), *_tensorflow(), *published]


def _cifar() -> list[dict[str, Any]]:
    return [_measured(f"cifar/{name}", CIFAR_CLASSES, CIFAR_SIZE) for name in cifar.names()]


def _tensorflow() -> list[dict[str, Any]]:
    return [_measured(f"tensorflow/{name}", LARGE_CLASSES, LARGE_SIZE) for name in tensorflow_zoo.names()]


def _measured(architecture: str, num_classes: int, image_size: int) -> dict[str, Any]:
    facts = facts_of(architecture, num_classes, image_size)
    return _teacher(facts.architecture, facts.num_params, facts.macs, facts.input_size, facts.num_classes, None)


def _torchvision(name: str) -> dict[str, Any]:
    weights = torchvision_zoo.best_weights(name)
    meta = weights.meta
    macs = round(meta["_ops"] * 1e9)  # torchvision writes billions of multiply-accumulates
    size = weights.transforms().crop_size[0]
    return _teacher(f"torchvision/{name}", meta["num_params"], macs, size, len(meta["categories"]), weights.url)


def _timm(name: str) -> dict[str, Any]:
    config = timm_zoo.config_of(name)
    if config is None:
        raise KeyError(f"timm lists {name} among its published weights and has no record of them")
    return _teacher(f"timm/{name}", None, None, config.input_size[-1], config.num_classes, timm_zoo.source(name))


def _teacher(
    architecture: str, num_params: int | None, macs: int | None, input_size: int, num_classes: int, source: str | None
) -> dict[str, Any]:
    return {
        "architecture": architecture,
        "num_params": num_params,
        "macs": macs,
        "input_size": input_size,
        "num_classes": num_classes,
        "published_weights": source is not None,
        "source": source,
    }
