"""Records: what comes back is what went in, up to the precision that was asked for."""

from typing import Any

import numpy as np
import pytest
import torch

from core.networks.network import Features
from core.teachers.stored.record import layout_of


def example(count: int = 5, size: int = 6) -> tuple[Any, ...]:
    draws = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (count, 3, size, size), generator=draws).to(torch.uint8)
    logits, pooled = torch.randn(count, 7, generator=draws), torch.randn(count, 4, generator=draws)
    maps = (torch.randn(count, 8, 3, 3, generator=draws), torch.randn(count, 2, 6, 6, generator=draws))
    return pixels, Features(logits, pooled, maps)


def layout(features: Any, precision: Any, *, logits: bool = True, pooled: bool = True) -> Any:
    return layout_of(features, image_size=6, precision=precision, keep_logits=logits, keep_pooled=pooled)


def test_a_half_precision_record_is_each_value_rounded_to_float16() -> None:
    pixels, features = example()
    views, back = (its := layout(features, "fp16")).decode(its.encode(pixels, features), torch.device("cpu"))
    assert torch.equal((views * 255).round().to(torch.uint8), pixels)
    for given, found in zip(
        (features.logits, features.pooled, *features.maps), (back.logits, back.pooled, *back.maps), strict=True
    ):
        assert found.shape == given.shape and found.dtype == torch.float32
        np.testing.assert_array_equal(found.numpy(), given.numpy().astype(np.float16).astype(np.float32))
    assert its.record_bytes == 3 * 36 + 2 * (7 + 4 + 72 + 72)


def test_an_int8_record_is_off_by_half_a_step_of_its_own_largest_value_at_most() -> None:
    pixels, features = example()
    its = layout(features, "int8")
    _, back = its.decode(its.encode(pixels, features), torch.device("cpu"))
    for given, found in zip(features.maps, back.maps, strict=True):
        step = given.flatten(1).abs().amax(dim=1) / 127
        assert bool(((given - found).abs().flatten(1).amax(dim=1) <= step * 0.501).all())
    assert its.record_bytes == 3 * 36 + (7 + 4 + 72 + 72) + 4 * 4


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_what_is_not_asked_for_takes_no_room(precision: str) -> None:
    pixels, features = example()
    its = layout(features, precision, logits=False, pooled=False)
    _, back = its.decode(its.encode(pixels, features), torch.device("cpu"))
    assert back.logits.shape == (5, 0) and back.pooled is None and len(back.maps) == 2
    assert its.record_bytes < layout(features, precision).record_bytes


def test_values_beyond_float16_are_held_at_its_largest() -> None:
    pixels, features = example()
    its = layout(features, "fp16")
    _, back = its.decode(
        its.encode(pixels, Features(features.logits * 1e9, features.pooled, features.maps)), torch.device("cpu")
    )
    assert back.logits.abs().max() == 65504 and bool(back.logits.isfinite().all())


def test_maps_come_back_in_the_layout_that_they_are_computed_in() -> None:
    pixels, features = example()
    its = layout(features, "fp16")
    views, back = its.decode(its.encode(pixels, features), torch.device("cpu"))
    assert views.is_contiguous(memory_format=torch.channels_last)
    assert all(each.is_contiguous(memory_format=torch.channels_last) for each in back.maps)
