"""Recognizes errors of a GPU that does not work, as opposed to errors of the code that uses it."""

# What CUDA, its driver and torch say of a GPU that is lost, busy, broken, or not usable with this driver.
BROKEN = (
    "CUDA driver",
    "NVIDIA driver",
    "no CUDA-capable device is detected",
    "all CUDA-capable devices are busy or unavailable",
    "CUDA-capable device(s) is/are busy or unavailable",
    "initialization error",
    "CUDA unknown error",
    "unknown error",
    "uncorrectable ECC error",
    "unrecoverable ECC error",
    "hardware stack error",
    "GPU is lost",
    "no kernel image is available",
    "system not yet initialized",
    "the launch timed out",
    "unspecified launch failure",
)
_NAMES = ("CUDA", "NVIDIA", "cuda")


def is_device_failure(error: BaseException) -> bool:
    """Whether the error says that a GPU does not work on this host. An assertion in a kernel, an illegal address or a
    wrong argument is a defect of the code and none of the host.
    """
    if not isinstance(error, RuntimeError):
        return False
    text = str(error)
    return any(name in text for name in _NAMES) and any(one in text for one in BROKEN)
