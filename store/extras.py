"""What a program says where the extra of the distribution that it needs is not installed."""

import importlib
import sys

DISTRIBUTION = "retort-service"


def run(module: str, *, program: str, extra: str) -> int:
    """The exit status of `main()` of a module, with the command line's arguments; 1 where a library is missing, after a
    line on stderr that names it and the extra which brings it.
    """
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing == module.partition(".")[0]:
            raise
        print(
            f"{program} needs the Python package {missing!r}, which is not installed; the extra {extra!r} brings it: "
            f"pip install '{DISTRIBUTION}[{extra}]', or from a clone: pip install '.[{extra}]'",
            file=sys.stderr,
        )
        return 1
    status: int = found.main()
    return status
