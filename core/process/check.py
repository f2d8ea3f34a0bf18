"""What a worker asks of its host before it takes jobs again: load what an engine loads, and compute on each GPU."""

import sys

from core.events import EXIT_INFRASTRUCTURE, EXIT_OK


def check() -> int:
    """An exit status of core.events; the reason of a failure is the last line on standard error."""
    try:
        import torch

        import core.process.run  # noqa: F401

        for number in range(torch.cuda.device_count()):
            device = torch.device("cuda", number)
            if torch.ones(256, 256, device=device).sum().item() != 256 * 256:
                raise RuntimeError(f"GPU {number} computes wrong values")
    except Exception as error:
        print(f"{type(error).__name__}: {error}".replace("\n", " "), file=sys.stderr)
        return EXIT_INFRASTRUCTURE
    return EXIT_OK
