"""Nothing in the tree runs foreign bytes as code; told by the syntax tree, so that no alias of a name hides it."""

import ast
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PARTS = ("api", "worker", "core", "store", "client/retort", "migrations")
SOURCES = sorted(path for part in PARTS for path in (ROOT / part).rglob("*.py"))
FORBIDDEN_MODULES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
FORBIDDEN_NAMES = {"eval", "exec", "__import__"}
FORBIDDEN_CALLS = {
    "pickle.load",
    "pickle.loads",
    "pickle.Unpickler",
    "yaml.load",
    "yaml.unsafe_load",
    "yaml.full_load",
    "os.system",
    "os.popen",
    "torch.hub.load",
}


# CIFAR's own format is a pickle; this file subclasses Unpickler with a closed list of constructors, and calls no other.
EXCUSED = {"core/data/readers/cifar.py": {"pickle"}}


def unsafe(source: str) -> list[str]:
    """`line: what` for everything unsafe in a module."""
    tree = ast.parse(source)
    aliases = dict(alias for node in ast.walk(tree) for alias in aliases_of(node))
    found = [(node.lineno, what) for node in ast.walk(tree) for what in complaints(node, aliases)]
    return [f"{line}: {what}" for line, what in sorted(found)]


def aliases_of(node: ast.AST) -> list[tuple[str, str]]:
    """(name here, full name) of what an import brings in."""
    if isinstance(node, ast.Import):
        return [(alias.asname or alias.name, alias.name) for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [(alias.asname or alias.name, f"{node.module}.{alias.name}") for alias in node.names]
    return []


def complaints(node: ast.AST, aliases: dict[str, str]) -> list[str]:
    if isinstance(node, ast.Import | ast.ImportFrom):
        return [name for _, name in aliases_of(node) if name.partition(".")[0] in FORBIDDEN_MODULES]
    if not isinstance(node, ast.Call):
        return []
    first, *rest = ast.unparse(node.func).split(".")
    name = ".".join([aliases.get(first, first), *rest])
    options = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
    found = [name] if name in FORBIDDEN_NAMES | FORBIDDEN_CALLS else []
    if name == "torch.load" and options.get("weights_only") != "True":
        found.append("torch.load without weights_only=True")
    if name == "numpy.load" and options.get("allow_pickle", "False") != "False":
        found.append("numpy.load with allow_pickle")
    return found + [f"{option}=True" for option in ("shell", "trust_remote_code") if options.get(option) == "True"]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_runs_no_foreign_bytes(path: Any) -> None:
    excused = EXCUSED.get(str(path.relative_to(ROOT)), set())
    assert [found for found in unsafe(path.read_text()) if found.partition(": ")[2] not in excused] == []


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from pickle import loads as read",
        "pickle.loads(data)",
        "import torch as t; t.load(path)",
        "import torch; torch.load(path, weights_only=False)",
        "from torch import load; load(path)",
        "import yaml; yaml.load(text)",
        "import numpy as np; np.load(path, allow_pickle=True)",
        "import subprocess; subprocess.run(text, shell=True)",
        "AutoModel.from_pretrained(name, trust_remote_code=True)",
        "eval(text)",
        "import os; os.system(text)",
    ],
)
def test_the_unsafe_is_seen(line: str) -> None:
    assert len(unsafe(line)) == 1


def test_the_safe_is_let_through() -> None:
    assert unsafe("import torch, yaml; torch.load(p, weights_only=True); yaml.safe_load(t); model.eval()") == []
