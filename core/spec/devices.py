"""The value of `training.devices`: how many processes it starts, and which hosts can run it."""

ALLOWED = "auto, cpu or cuda, if wanted with the number of processes from 1 to 99, as in cuda:4"
PATTERN = r"^(auto|cpu|cuda)(:[1-9][0-9]?)?$"
EVERY = tuple(f"{kind}{count}" for kind in ("auto", "cpu", "cuda") for count in ("", *(f":{n}" for n in range(1, 100))))


def num_processes(devices: str) -> int:
    """The number of processes on each host: four for cuda:4."""
    return int(devices.partition(":")[2] or 1)


def fits(devices: str, num_gpus: int) -> bool:
    """Whether a host with this number of GPUs can run the training. Each process needs a GPU of its own, or none uses
    one: auto:4 means four GPUs, or four processes on a host without GPUs.
    """
    kind = devices.partition(":")[0]
    return kind == "cpu" or num_gpus >= num_processes(devices) or (kind == "auto" and num_gpus == 0)
