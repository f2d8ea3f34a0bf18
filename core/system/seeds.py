"""Every random draw of a job is a function of the spec's seed and of where it is used, so that nothing need be
remembered.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def derive_seed(seed: int, *place: str | int) -> int:
    """A 63-bit seed for one place, such as derive_seed(0, "views", 17); places do not collide or correlate."""
    text = "\x1f".join([str(seed), *(f"{type(part).__name__}:{part}" for part in place)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def generator(seed: int, *place: str | int, device: torch.device | str = "cpu") -> torch.Generator:
    """A torch.Generator for one place."""
    return torch.Generator(device=device).manual_seed(derive_seed(seed, *place))


def on_host(draws: torch.Generator) -> torch.Generator:
    """A generator for draws that the host has to know: `draws`, or where it lives on a GPU one seeded by its state. To
    read draws back the host would wait for all that the GPU is still at."""
    if draws.device.type == "cpu":
        return draws
    digest = hashlib.blake2b(draws.get_state().numpy().tobytes(), digest_size=8).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "big") >> 1)


@contextmanager
def seeded(seed: int, *place: str | int) -> Iterator[None]:
    """Run the block with torch's global CPU generator seeded for one place; afterwards it is as before."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, *place))
        yield
