from typing import Any

from core.networks.network import InputFormat
from core.results.report import describe_preprocessing

MEAN, STD = (0.1, 0.2, 0.3), (0.4, 0.5, 0.6)


def names(preprocessing: Any) -> list[Any]:
    return [step["step"] for step in preprocessing["steps"]]


def test_small_images_are_only_resized() -> None:
    told = describe_preprocessing(InputFormat(32, MEAN, STD), canvas_size=32, image_size=32)
    assert names(told) == ["decode", "center_crop", "resize", "rescale", "normalize"]
    assert told["input_shape"] == ["batch", 3, 32, 32]
    assert (told["mean"], told["std"]) == (list(MEAN), list(STD))


def test_large_images_are_cropped_after_the_resize() -> None:
    told = describe_preprocessing(InputFormat(224, MEAN, STD), canvas_size=256, image_size=224)
    assert names(told) == ["decode", "center_crop", "resize", "center_crop", "rescale", "normalize"]
    assert (told["resize_short_side"], told["center_crop"], told["image_size"]) == (256, 224, 224)


def test_a_network_of_another_size_has_a_second_resize_of_its_own_kind() -> None:
    told = describe_preprocessing(InputFormat(224, MEAN, STD, "bicubic"), canvas_size=32, image_size=32)
    assert names(told) == ["decode", "center_crop", "resize", "rescale", "resize", "normalize"]
    assert told["steps"][4]["interpolation"] == "bicubic" and told["steps"][4]["height"] == 224
    assert told["input_shape"] == ["batch", 3, 224, 224]
