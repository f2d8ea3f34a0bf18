"""The section of a page that a program writes, between two markers; the text around it stays."""

import os
import platform
from pathlib import Path

HEAD = "# Performance, measured\n"


def write_section(path: Path, name: str, body: str) -> None:
    """Put `body` (Markdown) between the markers of `name` in the file, at its end where it has none yet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = path.read_text(encoding="utf-8") if path.exists() else HEAD
    path.write_text(replace_section(text, name, body), encoding="utf-8")


def replace_section(text: str, name: str, body: str) -> str:
    """`text` with `body` between the markers of `name`; raises ValueError where one of the two markers is missing."""
    begin, end = f"<!-- {name}: written by a program, begin -->", f"<!-- {name}: written by a program, end -->"
    section = f"{begin}\n{body.strip()}\n{end}"
    if begin not in text and end not in text:
        return f"{text.rstrip()}\n\n{section}\n"
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise ValueError(f"the document has only one of the markers of {name!r}, or has them in the wrong order")
    return before + section + after


def machine() -> str:
    """The processor, its cores and the memory, in words."""
    name, gigabytes = platform.processor() or platform.machine(), None
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), name)
        total = Path("/proc/meminfo").read_text().splitlines()[0]
        gigabytes = round(int(total.split()[1]) / 2**20)
    except OSError:
        pass
    memory = f", {gigabytes} GiB" if gigabytes else ""
    return f"{name}, {len(os.sched_getaffinity(0))} cores{memory}, {platform.system()} {platform.release()}"


def table(rows: list[dict[str, object]], columns: dict[str, str]) -> str:
    """Rows as a Markdown table; `columns`: heading by key. What a row lacks stays empty."""
    lines = ["| " + " | ".join(columns.values()) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(_cell(row.get(key)) for key in columns) + " |" for row in rows]
    return "\n".join(lines)


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.2f}" if abs(value) < 10 else f"{value:,.1f}" if abs(value) < 1000 else f"{value:,.0f}"
    return str(value)
