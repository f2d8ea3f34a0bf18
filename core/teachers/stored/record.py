"""A view of an image and the teacher's outputs for it, as a record of fixed length.

Pixels are uint8, so that the student gets exactly the view that the teacher got. Features are float16, or int8 with one
float32 scale for each tensor. Images and maps are stored channels-last, the layout in which they are computed.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from core.networks.network import Features

Precision = Literal["fp16", "int8"]
LARGEST_FP16 = 65504.0
SCALE_BYTES = 4


@dataclass(frozen=True)
class Layout:
    """The fields of a record. Shapes are those of one image: logits (K,), pooled (D,), maps (C, H, W)."""

    image_size: int
    precision: Precision
    logits: tuple[int, ...] | None
    pooled: tuple[int, ...] | None
    maps: tuple[tuple[int, ...], ...]

    @property
    def pixel_bytes(self) -> int:
        """The bytes of the view."""
        return 3 * self.image_size**2

    @property
    def record_bytes(self) -> int:
        """The bytes of the whole record."""
        return self.pixel_bytes + sum(self._bytes(shape) for shape in self._shapes())

    def as_json(self) -> dict[str, Any]:
        """The layout as JSON, for a content address."""
        return asdict(self)

    def _shapes(self) -> list[tuple[int, ...]]:
        return [shape for shape in (self.logits, self.pooled, *self.maps) if shape is not None]

    def _bytes(self, shape: tuple[int, ...]) -> int:
        count = math.prod(shape)
        return 2 * count if self.precision == "fp16" else count + SCALE_BYTES

    def encode(self, pixels: Tensor, features: Features) -> Tensor:
        """uint8 (N, record_bytes) of uint8 views (N, 3, V, V) and the features of the same images."""
        if len(features.maps) != len(self.maps):
            raise ValueError(f"{len(features.maps)} maps do not fit a layout of {len(self.maps)}")
        kept = [features.logits] if self.logits is not None else []
        if self.pooled is not None and features.pooled is not None:
            kept.append(features.pooled)
        parts = [_channels_last(pixels).flatten(1), *(self._encoded(value) for value in (*kept, *features.maps))]
        return torch.cat([part.cpu() for part in parts], dim=1)

    def decode(self, records: Tensor, device: torch.device) -> tuple[Tensor, Features]:
        """float32 views (N, 3, V, V) in [0, 1] and float32 features, on `device`, of uint8 (N, record_bytes).

        Features that are not stored are empty (logits (N, 0)) or None (pooled).
        """
        records = records.to(device, non_blocking=True)
        side, start = self.image_size, self.pixel_bytes
        pixels = records[:, :start].unflatten(1, (side, side, 3)).permute(0, 3, 1, 2)
        values = []
        for shape in self._shapes():
            stop = start + self._bytes(shape)
            values.append(self._decoded(records[:, start:stop], shape))
            start = stop
        taken = iter(values)
        logits = next(taken) if self.logits is not None else records.new_empty((len(records), 0), dtype=torch.float32)
        pooled = next(taken) if self.pooled is not None else None
        return pixels.float() / 255, Features(logits, pooled, tuple(taken))

    def _encoded(self, values: Tensor) -> Tensor:
        flat = _channels_last(values).flatten(1).float()
        if self.precision == "fp16":
            return _as_bytes(flat.clamp(-LARGEST_FP16, LARGEST_FP16).half())
        scale = flat.abs().amax(dim=1, keepdim=True).clamp(min=1e-12) / 127
        return torch.cat([_as_bytes(scale), _as_bytes((flat / scale).round().to(torch.int8))], dim=1)

    def _decoded(self, columns: Tensor, shape: tuple[int, ...]) -> Tensor:
        if self.precision == "fp16":
            flat = columns.contiguous().view(torch.float16).float()
        else:
            scale = columns[:, :SCALE_BYTES].contiguous().view(torch.float32)
            flat = columns[:, SCALE_BYTES:].contiguous().view(torch.int8).float() * scale
        if len(shape) == 1:
            return flat
        channels, height, width = shape
        return flat.unflatten(1, (height, width, channels)).permute(0, 3, 1, 2)


def layout_of(
    features: Features, *, image_size: int, precision: Precision, keep_logits: bool, keep_pooled: bool
) -> Layout:
    """The layout for features with the shapes of these, for any N."""
    return Layout(
        image_size=image_size,
        precision=precision,
        logits=tuple(features.logits.shape[1:]) if keep_logits else None,
        pooled=tuple(features.pooled.shape[1:]) if keep_pooled and features.pooled is not None else None,
        maps=tuple(tuple(each.shape[1:]) for each in features.maps),
    )


def _channels_last(values: Tensor) -> Tensor:
    return values.permute(0, 2, 3, 1).contiguous() if values.ndim == 4 else values.contiguous()


def _as_bytes(values: Tensor) -> Tensor:
    return values.contiguous().view(torch.uint8)
