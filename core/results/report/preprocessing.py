"""How an image file becomes the input of the exported network: what preprocessing.json says, step by step."""

from typing import Any

from core.networks.network import InputFormat
from core.results.onnx import INPUT_NAME, OUTPUT_NAME

# What core.data.decode does, in the order in which it does it.
DECODING = {
    "step": "decode",
    "color": "RGB",
    "frame": "the first of an animation or of several pages",
    "jpeg_scaling": "by libjpeg at 1/2, 1/4 or 1/8 where both sides stay at least twice resize_short_side",
    "16_bit_gray": "divided by 257 and rounded",
    "transparency": "over white",
    "color_profile": "ignored",
    "exif_orientation": "applied",
}


def describe_preprocessing(input_format: InputFormat, *, canvas_size: int, image_size: int) -> dict[str, Any]:
    """JSON that a program without Retort can follow; sizes in pixels.

    `canvas_size` is the square that the dataset was decoded to, `image_size` the centre crop that networks saw,
    `input_format` what the exported network takes. `steps` is the exact order; the fields beside it are its summary.
    """
    steps: list[dict[str, Any]] = [
        DECODING,
        {"step": "center_crop", "size": "the short side"},
        {"step": "resize", "height": canvas_size, "width": canvas_size, "interpolation": "bilinear", "antialias": True},
    ]
    if image_size != canvas_size:
        steps.append({"step": "center_crop", "size": image_size})
    steps.append({"step": "rescale", "factor": 1 / 255})
    if input_format.size != image_size:
        size, mode = input_format.size, input_format.resize_mode
        steps.append({"step": "resize", "height": size, "width": size, "interpolation": mode, "antialias": True})
    mean, std = list(input_format.mean), list(input_format.std)
    steps.append({"step": "normalize", "mean": mean, "std": std})
    return {
        "color": "RGB",
        "resize_short_side": canvas_size,
        "interpolation": "bilinear",
        "antialias": True,
        "center_crop": image_size,
        "image_size": input_format.size,
        "rescale_factor": 1 / 255,
        "mean": mean,
        "std": std,
        "layout": "NCHW",
        "dtype": "float32",
        "input_name": INPUT_NAME,
        "input_shape": ["batch", 3, input_format.size, input_format.size],
        "output_name": OUTPUT_NAME,
        "output": "logits; softmax gives probabilities, argmax indexes labels.json",
        "steps": steps,
    }
