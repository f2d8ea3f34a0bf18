"""No file and no function outgrows what one can read at a glance; names say something."""

import ast
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PARTS = ("api", "worker", "core", "store", "client/retort", "migrations")
SOURCES = sorted(path for part in PARTS for path in (ROOT / part).rglob("*.py"))
MAX_FILE_LINES = 300
MAX_FUNCTION_LINES = 40
SAYING_NOTHING = {"utils", "util", "helpers", "helper", "common", "base", "misc", "manager"}


def lines_of(node: ast.AST) -> int:
    """Lines of a function without its signature and docstring: what it does, not what it says."""
    body = node.body[1:] if ast.get_docstring(node) else node.body
    return (body[-1].end_lineno - body[0].lineno + 1) if body else 0


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_is_short_and_named(path: Any) -> None:
    text = path.read_text()
    tree = ast.parse(text)
    long = {
        node.name: lines_of(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and lines_of(node) > MAX_FUNCTION_LINES
    }
    assert len(text.splitlines()) <= MAX_FILE_LINES
    assert not long
    assert path.stem not in SAYING_NOTHING
    assert not text or ast.get_docstring(tree), "the file does not say what it is"
