"""Seeds of all random draws: functions of the spec's seed and of their use, so that a resumed job needs no state."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def derive_seed(seed: int, *place: str | int) -> int:
    """A 63-bit seed for one use, such as derive_seed(0, "views", 17). Seeds of different uses are independent."""
    text = "\x1f".join([str(seed), *(f"{type(part).__name__}:{part}" for part in place)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def generator(seed: int, *place: str | int, device: torch.device | str = "cpu") -> torch.Generator:
    """A torch.Generator for one use, seeded by `derive_seed`."""
    return torch.Generator(device=device).manual_seed(derive_seed(seed, *place))


def on_host(draws: torch.Generator) -> torch.Generator:
    """A generator for draws whose values the host needs: `draws` itself, or for a generator on a GPU a CPU generator
    seeded by its state. To read draws back from a GPU, the host would have to wait for all its work.
    """
    if draws.device.type == "cpu":
        return draws
    digest = hashlib.blake2b(draws.get_state().numpy().tobytes(), digest_size=8).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "big") >> 1)


@contextmanager
def seeded(seed: int, *place: str | int) -> Iterator[None]:
    """Run the block with torch's global CPU generator seeded for one use; afterwards the generator has its former
    state.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, *place))
        yield
