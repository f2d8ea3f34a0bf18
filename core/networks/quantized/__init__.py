"""A frozen network computed in 8-bit integers, for CPUs on which that is faster than floating point."""

from core.networks.quantized.features import NUM_IMAGES, NotQuantized, QuantizedFeatures, quantized

__all__ = ["NUM_IMAGES", "NotQuantized", "QuantizedFeatures", "quantized"]
