"""The page of the Python client: its classes and their methods, by their signatures and docstrings."""

import inspect
from collections.abc import Iterator

import retort
from docs.generator.markdown import cell, code, page, table
from retort.errors import RetortError

INTRODUCTION = """\
`pip install ./client` installs the package `retort`: this client and the command `retort`, with nothing of the
service. `Retort` and `Job` block until the answer is there; `AsyncRetort` and `AsyncJob` have the same methods as
coroutines, for asyncio and trio. Both are one implementation and typed; the types of the JSON are in `retort.models`.

```python
from retort import Retort

job = Retort().submit(teacher="torchvision/resnet50", dataset="file:///data/photos.zip", student="small")
job.wait()
job.download("models/photos")
```"""


def python_page() -> str:
    """A section for each class, then the tree of the errors."""
    errors = [[code(kind.__name__), code(_parent(kind)), cell(_first(kind))] for kind in _errors()]
    return page(
        "Python client",
        INTRODUCTION,
        _section(retort.Retort),
        _section(retort.Job),
        ["## Errors", "", *table(["error", "is a", "meaning"], errors)],
    )


def _section(kind: type) -> list[str]:
    rows = [[code(f"{name}{_parameters(method)}"), cell(_first(method))] for name, method in _methods(kind)]
    return [f"## {kind.__name__}", "", _first(kind), "", *table(["method", "what it does"], rows)]


def _methods(kind: type) -> Iterator[tuple[str, object]]:
    for name, member in vars(kind).items():
        if not name.startswith("_"):
            yield name, member.fget if isinstance(member, property) else member


def _parameters(method: object) -> str:
    """The parameters of a method without their types; nothing for a property."""
    if not callable(method):
        raise TypeError(f"{method!r} is no method")
    parameters = [one for one in inspect.signature(method).parameters.values() if one.name != "self"]
    plain = [one.replace(annotation=inspect.Parameter.empty) for one in parameters]
    return str(inspect.Signature(plain)) if hasattr(method, "__wrapped__") else ""


def _first(documented: object) -> str:
    """The first paragraph of a docstring."""
    return " ".join((inspect.getdoc(documented) or "").split("\n\n")[0].split())


def _parent(kind: type) -> str:
    """The public error that an error is a kind of; of the root, Python's Exception."""
    return next(one.__name__ for one in kind.__mro__[1:] if one is Exception or one in vars(retort).values())


def _errors() -> list[type[RetortError]]:
    """The public errors, each after the one that it is a kind of."""
    public = [one for one in vars(retort).values() if inspect.isclass(one) and issubclass(one, RetortError)]
    return sorted(public, key=lambda kind: [parent.__name__ for parent in reversed(kind.__mro__)])
