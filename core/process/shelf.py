"""The operator's shelf of weights as a command: `python -m core.process.shelf`. `retort weights` runs it.

It prints JSON; errors are lines on standard error.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from core.errors import RetortError
from core.events import EXIT_OK, EXIT_USER_ERROR
from core.networks.weights.shelf import Entry, Shelf
from core.policy import Policy
from core.spec.teacher import WeightsMap


def main(arguments: list[str] | None = None) -> int:
    """Run one command; its exit status (core.events)."""
    options = _parser().parse_args(arguments)
    policy = Policy(weights_shelf=options.shelf, pickled_weights=not options.no_pickles)
    shelf = Shelf(options.shelf, options.cache, policy)
    try:
        print(json.dumps(_answer(options, shelf, policy)))
    except (RetortError, OSError) as error:
        print(f"error: {error.message if isinstance(error, RetortError) else error}", file=sys.stderr)
        if isinstance(error, RetortError) and error.hint:
            print(f"hint: {error.hint}", file=sys.stderr)
        return EXIT_USER_ERROR
    return EXIT_OK


def _answer(options: argparse.Namespace, shelf: Shelf, policy: Policy) -> Any:
    if options.command == "list":
        return [_row(entry) for entry in shelf.entries()]
    if options.command == "remove":
        shelf.remove(options.architecture)
        return {"removed": options.architecture}
    from core.networks.shelving import shelve  # imports torch

    weights_map: WeightsMap = "by_order" if options.by_order else "by_name"
    entry, warnings = shelve(shelf, options.architecture, options.file, policy=policy, weights_map=weights_map)
    return {**_row(entry), "warnings": [warning.message for warning in warnings]}


def _row(entry: Entry) -> dict[str, Any]:
    return entry.model_dump(mode="json")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m core.process.shelf", description="Weights by architecture.")
    parser.add_argument("command", choices=["add", "list", "remove"])
    parser.add_argument("architecture", nargs="?", help="such as timm/mobilenetv3_small_100")
    parser.add_argument("file", nargs="?", type=Path, help="safetensors, or what torch.save wrote")
    parser.add_argument("--shelf", required=True, help="folder, or URI of a bucket")
    parser.add_argument("--cache", type=Path, help="folder for downloads of a bucket")
    parser.add_argument("--by-order", action="store_true", help="take the tensors in the order of the file")
    parser.add_argument("--no-pickles", action="store_true", help="refuse what torch.save wrote")
    return parser


if __name__ == "__main__":
    sys.exit(main())
