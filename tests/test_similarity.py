"""`exllm.similarity` against NumPy's own linear algebra and the standard library's arithmetic."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

import exllm
from exllm import similarity
from exllm.similarity import Index, Match, cosine, dot, euclidean, find_similar, scores
from exllm.types.vectors import Vectors

NUMBERS = st.floats(-1e3, 1e3, allow_nan=False, width=32)
PAIRS = st.integers(1, 20).flatmap(lambda length: st.tuples(*[st.lists(NUMBERS, min_size=length, max_size=length)] * 2))


@pytest.fixture(params=["numpy", "plain"], autouse=True)
def _with_and_without_numpy(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "plain":
        monkeypatch.setattr(similarity, "_numpy", lambda: None)


class Framed:
    """What a data frame is to NumPy: going through it gives the names of its columns."""

    def __init__(self, rows: Any) -> None:
        self._rows = rows

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return numpy.asarray(self._rows, dtype)

    def __iter__(self) -> Any:
        return iter(["a", "b"])


def rows_of(count: int, length: int = 8, seed: int = 7) -> list[list[float]]:
    numbers = random.Random(seed)
    return [[numbers.gauss(0, 1) for _ in range(length)] for _ in range(count)]


class TestTwoVectors:
    @given(PAIRS)
    def test_agree_with_numpy(self, pair: tuple[list[float], list[float]]) -> None:
        left, right = (numpy.asarray(vector, dtype="f8") for vector in pair)
        assert dot(*pair) == pytest.approx(float(left @ right), rel=1e-9, abs=1e-6)
        assert euclidean(*pair) == pytest.approx(float(numpy.linalg.norm(left - right)), rel=1e-9, abs=1e-9)
        lengths = float(numpy.linalg.norm(left) * numpy.linalg.norm(right))
        if lengths > 1e-30:
            assert cosine(*pair) == pytest.approx(float(left @ right) / lengths, rel=1e-6, abs=1e-6)

    def test_known_angles(self) -> None:
        assert cosine([1, 0], [2, 0]) == 1.0
        assert cosine([1, 0], [0, 3]) == 0.0
        assert cosine([1, 0], [-1, 0]) == -1.0
        assert cosine([1, 1], [1, 0]) == pytest.approx(math.sqrt(0.5))
        assert euclidean([0, 0], [3, 4]) == 5.0

    def test_a_vector_of_zeros_is_like_nothing(self) -> None:
        assert cosine([0.0, 0.0], [1.0, 2.0]) == 0.0

    @pytest.mark.parametrize("measure", [cosine, dot, euclidean])
    def test_different_lengths_are_refused(self, measure: Any) -> None:
        with pytest.raises(ValueError, match="2 and 3 numbers cannot be compared"):
            measure([1.0, 2.0], [1.0, 2.0, 3.0])

    def test_arrays_and_lists_mix(self) -> None:
        assert dot(numpy.asarray([1.0, 2.0]), [3.0, 4.0]) == 11.0


class TestManyVectors:
    @pytest.mark.parametrize("metric", ["cosine", "dot", "euclidean"])
    @pytest.mark.parametrize("keep", [list, Vectors.of, numpy.asarray])
    def test_same_as_one_by_one(self, metric: Any, keep: Any) -> None:
        rows, query = rows_of(1300), rows_of(1, seed=8)[0]  # more than two blocks
        one_by_one = {"cosine": cosine, "dot": dot, "euclidean": euclidean}[metric]
        expected = [one_by_one(row, query) for row in rows]
        assert list(scores(query, keep(rows), metric)) == pytest.approx(expected, rel=1e-9)
        is_less_nearer = metric == "euclidean"
        best = sorted(range(len(rows)), key=expected.__getitem__, reverse=not is_less_nearer)[:5]
        assert [match.index for match in find_similar(query, keep(rows), top_k=5, metric=metric)] == best

    def test_float32_is_compared_as_such(self) -> None:
        rows = rows_of(600)
        packed = Vectors.of(rows, "f")
        found = scores(rows[3], packed)
        assert float(found[3]) == pytest.approx(1.0, abs=1e-6)

    def test_quantised_numbers_do_not_overflow(self) -> None:
        packed = Vectors.of([[127] * 64, [-127] * 64], "b")
        assert list(scores([127.0] * 64, packed, "dot")) == [127 * 127 * 64, -127 * 127 * 64]

    def test_of_equals_the_earlier_comes_first(self) -> None:
        rows = [[1.0, 0.0]] * 6
        assert [match.index for match in find_similar([1.0, 0.0], rows, top_k=3)] == [0, 1, 2]

    def test_asking_for_more_than_there_are_gives_all(self) -> None:
        assert find_similar([1.0], [[2.0], [-3.0]], top_k=9) == [Match(0, 1.0), Match(1, -1.0)]

    def test_threshold_leaves_out_what_is_farther(self) -> None:
        rows = [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]]
        assert [match.index for match in find_similar([1.0, 0.0], rows, threshold=0.0)] == [0, 1]
        near = find_similar([1.0, 0.0], rows, metric="euclidean", threshold=1.5)
        assert [match.index for match in near] == [0, 1]

    def test_zeros_among_them_score_zero(self) -> None:
        assert list(scores([1.0, 1.0], [[0.0, 0.0], [2.0, 2.0]])) == pytest.approx([0.0, 1.0])

    def test_nothing_to_search(self) -> None:
        assert find_similar([1.0, 2.0], []) == []

    def test_an_index_gives_the_same_again(self) -> None:
        rows, query = rows_of(700), rows_of(1, seed=9)[0]
        index = Index(rows)
        first = find_similar(query, index)
        assert find_similar(query, index) == first == find_similar(query, rows)
        assert len(index) == 700

    @pytest.mark.parametrize("metric", ["cosine", "dot", "euclidean"])
    def test_what_is_no_number_comes_last(self, metric: Any) -> None:
        rows = [[math.nan, 1.0], [1.0, 0.5], [math.inf, -math.inf], [0.5, 1.0]]
        found = find_similar([1.0, 0.5], rows, metric=metric)
        assert [match.index for match in found[:2]] == [1, 3]
        assert {match.index for match in found[2:]} == {0, 2}
        assert [match.index for match in find_similar([math.nan, 1.0], rows, metric=metric, top_k=3)] == [0, 1, 2]

    @pytest.mark.parametrize("metric", ["cosine", "dot", "euclidean"])
    @pytest.mark.parametrize(
        "keep",
        [
            lambda array: array.astype("f2"), lambda array: array.astype("i1"), lambda array: array.astype("u1"),
            lambda array: array.astype(">f8"), lambda array: array.astype("i8"), numpy.asfortranarray,
            lambda array: numpy.repeat(array, 2, axis=0)[::2], lambda array: numpy.repeat(array, 2, axis=1)[:, ::2],
            lambda array: array[::-1][::-1], lambda array: list(array),
            lambda array: Vectors.of(array.astype("i1").tolist(), "b"),
        ],
    )  # fmt: skip
    def test_any_array_gives_the_same(self, metric: Any, keep: Any) -> None:
        self._gives_the_same(metric, keep)

    @pytest.mark.parametrize("_with_and_without_numpy", ["numpy"], indirect=True)  # without it there are none of these
    @pytest.mark.parametrize("metric", ["cosine", "dot", "euclidean"])
    @pytest.mark.parametrize("keep", [numpy.asmatrix, Framed])
    @pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")  # numpy.matrix
    def test_what_only_numpy_has_gives_the_same(self, metric: Any, keep: Any) -> None:
        self._gives_the_same(metric, keep)

    def _gives_the_same(self, metric: Any, keep: Any) -> None:
        numbers = random.Random(5)
        rows = [[float(numbers.randrange(100)) for _ in range(16)] for _ in range(70)]
        expected = find_similar(rows[3], rows, metric=metric, top_k=70)
        found = find_similar(rows[3], keep(numpy.asarray(rows)), metric=metric, top_k=70)
        assert sorted(match.index for match in found) == list(range(70))
        assert [match.score for match in found] == pytest.approx(
            [match.score for match in expected], rel=1e-5, abs=1e-5
        )

    @pytest.mark.parametrize("spread", [1.0, 1e-2, 1e-4, 0.0])
    @pytest.mark.parametrize("kind", ["f4", "f8", "i1"])
    def test_the_nearest_by_distance_are_found_however_near_all_are(self, spread: float, kind: str) -> None:
        numbers = numpy.random.default_rng(3)
        rows = (numbers.standard_normal((400, 24)) * spread + 5).astype(kind)
        query = rows[7].astype("f8") + spread / 10
        distances = scores(query, rows, "euclidean")
        expected = sorted(range(400), key=lambda place: (distances[place], place))[:20]
        for searched in (rows, Index(rows)):
            found = find_similar(query, searched, metric="euclidean", top_k=20)
            assert [match.index for match in found] == expected
            assert [match.score for match in found] == [distances[place] for place in expected]

    def test_a_cosine_is_never_beyond_one(self) -> None:
        for row in rows_of(300, 50):
            assert find_similar(row, [row, [-number for number in row]])[1].score >= -1.0
            assert find_similar(row, [row])[0].score <= 1.0
            assert cosine(row, row) <= 1.0


class TestWrongArguments:
    def test_a_query_of_more_than_one_vector(self) -> None:
        with pytest.raises((ValueError, TypeError)):
            find_similar(numpy.ones((2, 3)), numpy.ones((5, 2)))

    def test_unknown_metric(self) -> None:
        with pytest.raises(ValueError, match=r"cosine \| dot \| euclidean"):
            find_similar([1.0], [[1.0]], metric="manhattan")  # type: ignore[arg-type]

    @pytest.mark.parametrize("top_k", [0, -1, 2.5, True])
    def test_top_k(self, top_k: Any) -> None:
        with pytest.raises(ValueError, match="top_k"):
            find_similar([1.0], [[1.0]], top_k=top_k)

    def test_query_of_another_model(self) -> None:
        with pytest.raises(ValueError, match="embed both with the same model"):
            find_similar([1.0, 2.0], [[1.0]])

    def test_rows_of_different_length(self) -> None:
        with pytest.raises(ValueError, match="one length"):
            find_similar([1.0], [[1.0], [1.0, 2.0]])


def test_response_as_an_array() -> None:
    reply = exllm.EmbeddingResponse(Vectors.of([[1.0, 2.0], [3.0, 4.0]], "f"), "p", "m")
    array = reply.array
    assert array.dtype == numpy.float32
    assert array.tolist() == [[1.0, 2.0], [3.0, 4.0]]


def test_without_numpy_an_array_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "numpy", None)
    reply = exllm.EmbeddingResponse(Vectors.of([[1.0]]), "p", "m")
    with pytest.raises(exllm.MissingExtra, match=r"exllm\[embeddings\]"):
        _ = reply.array
    assert find_similar([1.0], reply.vectors) == [Match(0, 1.0)]
