"""`python -m docs.generator` writes the pages of docs/reference/; with --check it only says which are out of date."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from docs.generator.commands_page import commands_page
from docs.generator.errors_page import errors_page
from docs.generator.events_page import events_page
from docs.generator.http_page import http_page
from docs.generator.methods_page import methods_page
from docs.generator.python_page import python_page
from docs.generator.settings_page import settings_page
from docs.generator.spec_page import spec_page

FOLDER = Path(__file__).parents[1] / "reference"
PAGES: dict[str, Callable[[], str]] = {
    "commands.md": commands_page,
    "errors.md": errors_page,
    "events.md": events_page,
    "http.md": http_page,
    "methods.md": methods_page,
    "python.md": python_page,
    "settings.md": settings_page,
    "spec.md": spec_page,
}


def outdated(folder: Path) -> list[str]:
    """Names of the pages whose file in the folder is missing or differs from the code."""
    return [name for name, make in PAGES.items() if not _holds(folder / name, make())]


def _holds(path: Path, text: str) -> bool:
    return path.exists() and path.read_text(encoding="utf-8") == text


def main() -> int:
    """Write all pages, or check them; 1 where a check finds an old one."""
    parser = argparse.ArgumentParser(prog="python -m docs.generator")
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 where a page is out of date")
    if parser.parse_args().check:
        old = outdated(FOLDER)
        print("\n".join(f"docs/reference/{name} is out of date; run make docs" for name in old))
        return bool(old)
    FOLDER.mkdir(exist_ok=True)
    for name, make in PAGES.items():
        (FOLDER / name).write_text(make(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
