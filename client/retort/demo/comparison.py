"""The table of the demo: teacher, student and baselines on the customer's classes, from metrics.json."""

import json
from pathlib import Path
from typing import Any

from retort import output

COLUMNS = ("network", "architecture", "top-1", "95% interval", "params", "MACs", "bytes", "latency")


def compare(folder: Path) -> None:
    """Print the comparison of the job whose files lie in `folder`. Latency: median of one image on one CPU thread."""
    facts = json.loads((folder / "metrics.json").read_text())
    networks = {
        "teacher": facts["teacher"],
        f"student ({facts['metrics']['method']})": facts["metrics"],
        **facts["baselines"],
    }
    output.table(COLUMNS, [_row(name, network) for name, network in networks.items()], right=COLUMNS[2:])


def _row(name: str, network: dict[str, Any]) -> tuple[str, ...]:
    test = network["test"]
    low, high = test["top1_interval"]
    return (
        name,
        network["architecture"],
        output.percent(test["top1"]),
        f"{100 * low:.1f}-{100 * high:.1f}%",
        f"{network['num_params']:,}",
        f"{network['macs']:,}",
        f"{network['bytes']:,}",
        f"{network['latency']['p50_ms']:.3f} ms",
    )
