"""Vectors: a sequence of lists, kept packed."""

from __future__ import annotations

import copy
import pickle
import struct

import msgspec
import numpy
import pytest

from exllm.types.vectors import NUMBER_BYTES, NumberKind, Vectors

ROWS = [[0.1, -2.5, 3.0], [1e-9, 0.0, 7.25]]


def test_digits_come_back_exactly() -> None:
    vectors = Vectors.of(ROWS)
    assert list(vectors) == ROWS
    assert vectors[1] == ROWS[1]
    assert vectors[-1] == ROWS[1]
    assert vectors[0:2] == ROWS
    assert (len(vectors), vectors.dimensions) == (2, 3)


def test_packed_float32_is_read_as_little_endian() -> None:
    vectors = Vectors.packed([struct.pack("<3f", 0.5, -1.0, 2.0), struct.pack("<3f", 1.0, 2.0, 4.0)], "f")
    assert vectors == [[0.5, -1.0, 2.0], [1.0, 2.0, 4.0]]
    assert len(vectors.data) == 2 * 3 * 4


@pytest.mark.parametrize(("kind", "rows"), [("b", [[-128, 127]]), ("B", [[0, 255], [1, 2]])])
def test_quantised_numbers_take_a_byte(kind: NumberKind, rows: list[list[float]]) -> None:
    vectors = Vectors.of(rows, kind)
    assert list(vectors) == rows
    assert len(vectors.data) == sum(map(len, rows))


def test_an_index_that_is_not_there_is_an_index_error() -> None:
    vectors = Vectors.of(ROWS)
    for index in (2, -3, 100):
        with pytest.raises(IndexError, match="2 vectors"):
            vectors[index]


def test_they_are_equal_to_whatever_holds_the_same_numbers() -> None:
    halves = [[0.5, 1.0], [2.0, -4.0]]
    assert Vectors.of(halves) == Vectors.of(halves, "f") == halves == Vectors.of(halves)
    assert Vectors.of(halves) == tuple(map(tuple, halves))
    assert Vectors.of(halves) != halves[:1]
    assert Vectors.of(halves) != [[0.5, 1.0], [2.0, 4.0]]
    assert Vectors.of(halves) != Vectors.of([[0.5, 1.0, 2.0, -4.0]])
    assert Vectors.of(halves) != "halves"


@pytest.mark.parametrize("kind", NUMBER_BYTES)
def test_numpy_sees_a_matrix_without_copying(kind: NumberKind) -> None:
    vectors = Vectors.of([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], kind)
    matrix = numpy.asarray(vectors)
    assert matrix.shape == (2, 3)
    assert matrix.itemsize == NUMBER_BYTES[kind]
    assert matrix.tolist() == list(vectors)
    assert matrix.__array_interface__["data"][0] == numpy.frombuffer(vectors.data, "u1").__array_interface__["data"][0]


def test_joining_keeps_the_order_and_the_kind() -> None:
    first, second = Vectors.of([[1.0, 2.0]], "f"), Vectors.of([[3.0, 4.0], [5.0, 6.0]], "f")
    joined = Vectors.joined([first, second])
    assert joined == [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]
    assert joined.kind == "f"


def test_joining_different_kinds_loses_nothing() -> None:
    joined = Vectors.joined([Vectors.of([[0.5, 2.0]], "f"), Vectors.of([[0.1, 0.2]])])
    assert joined == [[0.5, 2.0], [0.1, 0.2]]


@pytest.mark.parametrize("rows", [[], [[]], [[1.0], [1.0, 2.0]], [[1.0], []]])
def test_rows_of_no_one_length_are_refused(rows: list[list[float]]) -> None:
    with pytest.raises(ValueError, match="one length"):
        Vectors.of(rows)
    with pytest.raises(ValueError, match="one length"):
        Vectors.packed([bytes(len(row)) for row in rows], "b")
    if all(rows):
        with pytest.raises(ValueError, match="one length"):
            Vectors.joined([Vectors.of([row]) for row in rows] or [Vectors(b"", 0), Vectors(b"", 1)])


def test_numbers_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="signed char"):
        Vectors.of([[200]], "b")
    with pytest.raises(ValueError, match="unsigned byte"):
        Vectors.of([[-1]], "B")
    with pytest.raises(ValueError, match=r"0\.5 is no whole number"):
        Vectors.of([[0.5]], "b")
    with pytest.raises(ValueError, match="6 bytes are no whole number of 4-byte numbers"):
        Vectors.packed([b"123456"], "f")


def test_they_survive_pickle_copy_and_json() -> None:
    vectors = Vectors.of(ROWS)
    assert pickle.loads(pickle.dumps(vectors)) == vectors
    assert copy.deepcopy(vectors) == vectors
    assert msgspec.json.decode(msgspec.json.encode(vectors), type=Vectors) == vectors
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(vectors), type=Vectors) == vectors


def test_a_repr_does_not_show_the_numbers() -> None:
    assert repr(Vectors.of(ROWS)) == "Vectors(2 of 3 numbers, f8)"
