"""What scikit-learn brings along."""

from collections.abc import Callable

import numpy as np
import pytest
from sklearn.datasets import load_digits

from core.data.dataset import Dataset, Source
from core.data.readers import builtin
from core.errors import DatasetInvalid

Open = Callable[..., Source]


def test_digits_are_scikit_learns(
    open_source: Open, by_name: Callable[[Dataset], dict[str, tuple[str, np.ndarray, str]]]
) -> None:
    source = open_source("builtin:digits")
    dataset = source.decode(8)
    assert not dataset.flippable
    assert dataset.classes == tuple("0123456789")
    expected = load_digits()
    found = by_name(dataset)
    assert len(found) == 1797
    for name, (label, image, _) in found.items():
        index = int(name.split("/")[1])
        assert label == str(expected.target[index])
        assert (image == image[0]).all()
        assert np.abs(image[0] / 255 * 16 - expected.images[index]).max() < 0.04


def test_an_unknown_builtin_names_the_known() -> None:
    with pytest.raises(DatasetInvalid, match=r"'digit'. Did you mean 'digits'"):
        builtin.read("digit")
