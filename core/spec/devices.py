"""What `training.devices` asks of a host."""

PATTERN = r"^(auto|cpu|cuda)(:[1-9][0-9]?)?$"
EVERY = tuple(f"{kind}{count}" for kind in ("auto", "cpu", "cuda") for count in ("", *(f":{n}" for n in range(1, 100))))


def num_processes(devices: str) -> int:
    """How many processes of a host train: cuda:4 is four."""
    return int(devices.partition(":")[2] or 1)


def fits(devices: str, num_gpus: int) -> bool:
    """Whether a host with so many GPUs can train so: each process has one to itself, or none has one. Thus auto:4 is
    four GPUs, or four processes of a host without any."""
    kind = devices.partition(":")[0]
    return kind == "cpu" or num_gpus >= num_processes(devices) or (kind == "auto" and num_gpus == 0)
