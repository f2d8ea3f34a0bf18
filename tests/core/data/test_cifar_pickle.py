"""CIFAR pickles are parsed and never run: what the authors' files hold, and what is refused."""

import pickle
import struct
from pathlib import Path

import numpy as np
import pytest

from core.data.cifar_pickle import load
from core.errors import DatasetInvalid


def of_python_2(rows: np.ndarray, labels: list[int]) -> bytes:
    """The bytes that Python 2's cPickle writes for {"data": rows, "labels": labels} (protocol 2), built by hand."""
    data = rows.tobytes()
    return b"".join(
        [
            b"\x80\x02}q\x01(U\x04dataq\x02cnumpy.core.multiarray\n_reconstruct\nq\x03cnumpy\nndarray\nq\x04K\x00\x85U\x01b",
            b"\x87Rq\x05(K\x01K" + bytes([len(rows)]) + b"M" + struct.pack("<H", rows.shape[1]) + b"\x86",
            b"cnumpy\ndtype\nq\x06U\x02u1K\x00K\x01\x87Rq\x07(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89",
            b"T" + struct.pack("<I", len(data)) + data + b"tbU\x06labelsq\x08]q\x09(",
            b"".join(b"K" + bytes([label]) for label in labels) + b"eu.",
        ]
    )


@pytest.fixture
def rows() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (6, 3072), dtype=np.uint8)


def test_python_2(rows: np.ndarray) -> None:
    data = of_python_2(rows, [0, 1, 0, 1, 0, 1])
    assert np.array_equal(pickle.loads(data, encoding="bytes")[b"data"], rows)  # noqa: S301  # our own bytes
    value = load(data)
    assert np.array_equal(value[b"data"], rows) and value[b"labels"] == [0, 1, 0, 1, 0, 1]


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("fortran", [False, True])
def test_every_protocol_of_python_3(rows: np.ndarray, protocol: int, fortran: bool) -> None:
    stored = np.asfortranarray(rows) if fortran else rows
    written = {b"data": stored, b"labels": list(range(6)), "names": ["a", "é"], b"n": -1, b"big": 1 << 40, b"x": 1.5}
    value = load(pickle.dumps(written, protocol))
    assert np.array_equal(value.pop(b"data"), rows)
    del written[b"data"]
    assert value == written


def test_every_kind_of_array(rows: np.ndarray) -> None:
    for kind in (np.int8, np.int32, np.int64, np.float32, np.float64):
        stored = rows[:, :4].astype(kind)
        value = load(pickle.dumps(stored, 4))
        assert value.dtype == kind and np.array_equal(value, stored)


class Call:
    """An object whose pickle calls something."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.parts = (function, arguments)

    def __reduce__(self) -> tuple[object, ...]:
        return self.parts


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_a_call_is_refused_and_not_made(tmp_path: Path, protocol: int) -> None:
    canary = tmp_path / "canary"
    with pytest.raises(DatasetInvalid, match=r"calls .*open"):
        load(pickle.dumps({b"data": Call(open, str(canary), "w")}, protocol))
    assert not canary.exists()


def test_an_array_whose_dtype_is_enlarged_afterwards_is_refused(rows: np.ndarray) -> None:
    """A live dtype that a second BUILD enlarges made NumPy read out of bounds; here there is no live dtype."""
    data = of_python_2(rows, [0] * 6)
    enlarged = b"h\x07(K\x03U\x01|NNNJ\x00\x00\x10\x00J\xff\xff\xff\xffK\x00tb0"
    with pytest.raises(DatasetInvalid, match="uses POP"):
        load(data.replace(b"tbU\x06labels", b"tb" + enlarged + b"U\x06labels"))


BAD: dict[str, bytes] = {
    "empty": b"",
    "cut": b"\x80\x02}q\x01(U\x04da",
    "no stop": b"\x80\x02}",
    "stack below zero": b"\x80\x020.",
    "unknown memo": b"\x80\x02h\x07.",
    "a name as value": b"\x80\x02cos\nsystem\n.",
    "instance": b"\x80\x02(cos\nsystem\no.",
    "an object by class": b"\x80\x02cos\nsystem\n)\x81.",
    "persistent id": b"\x80\x02U\x01aQ.",
    "extension": b"\x80\x02\x82\x01.",
    "build on a list": b"\x80\x02]}b.",
    "append to a number": b"\x80\x02K\x01K\x02a.",
    "odd items": b"\x80\x02}(K\x01u.",
    "object array": b"\x80\x02cnumpy\ndtype\nU\x02O8K\x00K\x01\x87R.",
    "not a pickle": b"hello, world",
}


@pytest.mark.parametrize("data", BAD.values(), ids=BAD)
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(DatasetInvalid, match="the pickle"):
        load(data)


@pytest.mark.parametrize("rows_told", [5, 7])
def test_a_shape_that_does_not_fit_its_values(rows: np.ndarray, rows_told: int) -> None:
    data = of_python_2(rows, [0] * 6).replace(b"(K\x01K\x06M", b"(K\x01K" + bytes([rows_told]) + b"M")
    with pytest.raises(DatasetInvalid, match="for an array of shape"):
        load(data)
