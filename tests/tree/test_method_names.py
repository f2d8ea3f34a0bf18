"""The engine asks what a method declares, never what it is called."""

import ast
from pathlib import Path

import pytest

from core.methods import names

ROOT = Path(__file__).parents[2]
# Methods and their knobs know their names. Baselines are named in a job's evaluation.baselines, and two of them are
# methods of the same name.
EXEMPT = ("core/methods/", "core/spec/", "core/planning/runs.py", "core/results/report/")
ENGINE = sorted(path for path in (ROOT / "core").rglob("*.py") if not str(path.relative_to(ROOT)).startswith(EXEMPT))


@pytest.mark.parametrize("path", ENGINE, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_engine_compares_nothing_with_a_methods_name(path: Path) -> None:
    compared = {
        constant.value
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Compare)
        for constant in ast.walk(node)
        if isinstance(constant, ast.Constant) and isinstance(constant.value, str)
    }
    assert not compared & set(names())
