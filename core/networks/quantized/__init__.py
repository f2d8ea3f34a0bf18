"""A frozen network in 8-bit integers, for CPUs that multiply them faster than anything else."""

from core.networks.quantized.features import NUM_IMAGES, NotQuantized, QuantizedFeatures, quantized

__all__ = ["NUM_IMAGES", "NotQuantized", "QuantizedFeatures", "quantized"]
