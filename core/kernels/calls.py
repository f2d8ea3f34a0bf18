"""Calls the functions of the compiled library with tensors."""

import ctypes
from collections.abc import Callable
from enum import IntEnum

import torch
from torch import Tensor

# MAX_CHANNELS, WIDTH and POINTS of winograd.h.
MOST_CHANNELS, CHANNELS_AT_ONCE, POINTS = 4096, 32, 16
# Of normalization.cpp: the channels that fit in a register.
NORMALIZED_AT_ONCE = 16

_Pointer, _Size, _Number, _Float = ctypes.c_void_p, ctypes.c_int64, ctypes.c_int, ctypes.c_float
SIGNATURES = {
    "winograd_weights": ([_Pointer, _Size, _Size, _Pointer, _Number], None),
    "winograd_weights_turned": ([_Pointer, _Size, _Size, _Pointer, _Number], None),
    "winograd_convolve_bytes": ([_Size], _Size),
    "winograd_convolve": ([_Pointer, *[_Size] * 4, _Pointer, _Pointer, _Size, _Pointer, _Pointer, _Number], None),
    "winograd_gradient_bytes": ([*[_Size] * 5, _Number], _Size),
    "winograd_gradient": ([_Pointer, _Pointer, *[_Size] * 5, _Pointer, _Pointer, _Number], None),
    "filter_gradient_bytes": ([*[_Size] * 6, _Number], _Size),
    "filter_gradient": ([_Pointer, _Pointer, *[_Size] * 10, _Pointer, _Pointer, _Number], None),
    "normalization_bytes": ([_Size, _Size], _Size),
    "normalization_statistics": (
        [_Pointer, _Size, _Size, _Pointer, _Pointer, _Float, _Pointer, _Pointer, _Float, _Pointer, _Pointer, _Number],
        None,
    ),
    "normalization": ([_Pointer, _Pointer, _Size, _Size, _Pointer, _Number, _Pointer, _Number], None),
    "normalization_gradient": (
        [*[_Pointer] * 3, _Size, _Size, _Pointer, _Pointer, _Number, *[_Pointer] * 5, _Number],
        None,
    ),
}


class Activation(IntEnum):
    """The activation that follows a batch norm; the numbers are those of normalization.cpp."""

    NONE = 0
    RELU = 1
    RELU6 = 2
    HARDSWISH = 3


class Kernels:
    """Images, maps and gradients are bfloat16 (N, C, H, W), channels last; weights are float32, those of convolutions
    (K, C, size, size), channels last, with C and K multiples of CHANNELS_AT_ONCE up to MOST_CHANNELS.

    Winograd's algorithm computes convolutions of size 3, stride 1 and padding 1, and their gradients. The gradients of
    weights of any other size and stride are computed by their definition. Batch norms whose C is a multiple of
    NORMALIZED_AT_ONCE are computed forward and backward, together with the operations that follow them.
    """

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library
        for name, (arguments, result) in SIGNATURES.items():
            function = getattr(library, name)
            function.argtypes, function.restype = arguments, result

    def convolve(self, images: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """(N, K, H, W) by Winograd's algorithm. `bias` is float32 (K,)."""
        return self._convolve(self._library.winograd_weights, images, weight, bias, weight.shape[0])

    def gradient_of_images(self, gradient: Tensor, weight: Tensor) -> Tensor:
        """(N, C, H, W) from (N, K, H, W), by Winograd's algorithm."""
        return self._convolve(self._library.winograd_weights_turned, gradient, weight, None, weight.shape[1])

    def gradient_of_weight(self, images: Tensor, gradient: Tensor) -> Tensor:
        """(K, C, 3, 3) by Winograd's algorithm."""
        count, inputs, height, width = images.shape
        outputs = gradient.shape[1]
        weight, threads = torch.empty(outputs, inputs, 3, 3, memory_format=torch.channels_last), torch.get_num_threads()
        scratch = _memory(self._library.winograd_gradient_bytes(count, height, width, inputs, outputs, threads))
        self._library.winograd_gradient(
            images.data_ptr(), gradient.data_ptr(), count, height, width, inputs, outputs, weight.data_ptr(),
            scratch.data_ptr(), threads,
        )  # fmt: skip
        return weight

    def gradient_of_filter(self, images: Tensor, gradient: Tensor, *, size: int, stride: int, padding: int) -> Tensor:
        """The gradient (K, C, size, size) of the weight, from images (N, C, H, W) and the gradient of the output."""
        count, inputs, height, width = images.shape
        outputs, high, wide = gradient.shape[1:]
        weight = torch.empty(outputs, inputs, size, size, memory_format=torch.channels_last)
        threads = torch.get_num_threads()
        scratch = _memory(self._library.filter_gradient_bytes(count, high, wide, inputs, outputs, size, threads))
        self._library.filter_gradient(
            images.data_ptr(), gradient.data_ptr(), count, height, width, inputs, high, wide, outputs, size, stride,
            padding, weight.data_ptr(), scratch.data_ptr(), threads,
        )  # fmt: skip
        return weight

    def statistics(
        self, images: Tensor, weight: Tensor, bias: Tensor, epsilon: float, running_mean: Tensor | None,
        running_var: Tensor | None, momentum: float,
    ) -> Tensor:  # fmt: skip
        """Statistics (4, C) of a map: the first row is the means, the others are internal.

        The running statistics (C,) are updated with `momentum`.
        """
        pixels, channels = _rows(images)
        found = torch.empty(4, channels)
        scratch = _memory(self._library.normalization_bytes(pixels, channels))
        self._library.normalization_statistics(
            images.data_ptr(), pixels, channels, weight.data_ptr(), bias.data_ptr(), epsilon, _address(running_mean),
            _address(running_var), momentum, found.data_ptr(), scratch.data_ptr(), torch.get_num_threads(),
        )  # fmt: skip
        return found

    def normalize(self, images: Tensor, statistics: Tensor, carried: Tensor | None, activation: Activation) -> Tensor:
        """The map normalized by its statistics, plus `carried` (the shortcut, N C H W), with the activation applied."""
        made = torch.empty_like(images)
        self._library.normalization(
            images.data_ptr(), _address(carried), *_rows(images), statistics.data_ptr(), activation, made.data_ptr(),
            torch.get_num_threads(),
        )  # fmt: skip
        return made

    def gradients_of_normalization(
        self,
        gradient: Tensor,
        images: Tensor,
        statistics: Tensor,
        weight: Tensor,
        activation: Activation,
        *,
        made: Tensor | None = None,
        carried: bool = False,
    ) -> tuple[Tensor, Tensor | None, Tensor, Tensor]:
        """Gradients of the map, of `carried` (where wanted), of weight and bias (C,). `made` is the forward pass's
        output; it is needed where a ReLU follows a sum, and no other activation may follow a sum.
        """
        pixels, channels = _rows(images)
        for_images, for_carried = torch.empty_like(images), torch.empty_like(images) if carried else None
        for_weight, for_bias = torch.empty(channels), torch.empty(channels)
        scratch = _memory(self._library.normalization_bytes(pixels, channels))
        self._library.normalization_gradient(
            gradient.data_ptr(), images.data_ptr(), _address(made), pixels, channels, statistics.data_ptr(),
            weight.data_ptr(), activation, scratch.data_ptr(), for_images.data_ptr(), _address(for_carried),
            for_weight.data_ptr(), for_bias.data_ptr(), torch.get_num_threads(),
        )  # fmt: skip
        return for_images, for_carried, for_weight, for_bias

    def _convolve(
        self, transform: Callable[..., None], images: Tensor, weight: Tensor, bias: Tensor | None, made: int
    ) -> Tensor:
        count, channels, height, width = images.shape
        outputs, inputs = weight.shape[:2]
        threads = torch.get_num_threads()
        transformed = torch.empty(POINTS * outputs * inputs, dtype=torch.bfloat16)
        transform(weight.data_ptr(), outputs, inputs, transformed.data_ptr(), threads)
        result = torch.empty(count, made, height, width, dtype=torch.bfloat16, memory_format=torch.channels_last)
        scratch = _memory(threads * self._library.winograd_convolve_bytes(channels))
        self._library.winograd_convolve(
            images.data_ptr(), count, height, width, channels, transformed.data_ptr(), _address(bias), made,
            result.data_ptr(), scratch.data_ptr(), threads,
        )  # fmt: skip
        return result


def _memory(size: int) -> Tensor:
    """Memory for a kernel's output, from torch's allocator, which raises when memory is exhausted and keeps freed
    memory.
    """
    return torch.empty(size, dtype=torch.uint8)


def _address(tensor: Tensor | None) -> int | None:
    return tensor.data_ptr() if tensor is not None else None


def _rows(images: Tensor) -> tuple[int, int]:
    """The map as a matrix (pixels of all images, channels)."""
    count, channels, height, width = images.shape
    return count * height * width, channels
