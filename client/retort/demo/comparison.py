"""The table of the demo: teacher, student and baselines on the customer's classes, from metrics.json."""

from typing import Any

from retort import units
from retort.tables import Column, show_table

COLUMNS = (
    Column("network"),
    Column("architecture", narrow="cut"),
    Column("top-1", right=True),
    Column("95% interval", right=True),
    Column("params", right=True),
    Column("bytes", right=True),
    Column("latency", right=True),
)


NAMES = {"scratch": "scratch", "finetune": "fine-tuned large", "finetune_student": "fine-tuned small"}


def compare(facts: dict[str, Any]) -> None:
    """Print the networks of a job, from the content of its metrics.json. Latency: median of one image on one thread."""
    networks = {
        "teacher": facts["teacher"],
        f"student ({facts['metrics']['method']})": facts["metrics"],
        **{NAMES[name]: network for name, network in facts["baselines"].items()},
    }
    show_table(COLUMNS, [_row(name, network) for name, network in networks.items()])


def _row(name: str, network: dict[str, Any]) -> tuple[str, ...]:
    test = network["test"]
    return (
        name,
        network["architecture"],
        units.percent(test["top1"]),
        units.interval(test["top1_interval"]),
        units.count(network["num_params"]),
        units.size(network["bytes"]),
        units.milliseconds(network["latency"]["p50_ms"]),
    )
