"""Docstrings in three styles: the description, and what is said of each parameter."""

from __future__ import annotations

import pytest

from exllm.types.docstring import parse_docstring

GOOGLE = """Look things up.

    It looks in all places,
    also old ones.

    - first here
    - then there

    Args:
        query (str): what to look for,
            in any language
        limit (Optional[int]): at most so many: exactly
        **more: the rest

    Returns:
        limit: not a parameter

    Raises:
        ValueError: never
    """

SPHINX = """
    Look things up.

    It looks in all places,
    also old ones.

    - first here
    - then there

    :param str query: what to look for,
        in any language
    :param limit: at most so many: exactly
    :type limit: int
    :keyword more: the rest
    :returns: what was found
    """

NUMPY = """Look things up.

    It looks in all places,
    also old ones.

    - first here
    - then there

    Parameters
    ----------
    query : str
        what to look for,
        in any language
    limit : int, optional
        at most so many: exactly

    **more
        the rest

    Returns
    -------
    list
        limit: not a parameter
    """


@pytest.mark.parametrize("text", [GOOGLE, SPHINX, NUMPY], ids=["google", "sphinx", "numpy"])
def test_all_styles_say_the_same(text: str) -> None:
    assert parse_docstring(text) == (
        "Look things up.\n\nIt looks in all places, also old ones.\n\n- first here\n- then there",
        {
            "query": "what to look for, in any language",
            "limit": "at most so many: exactly",
            "more": "the rest",
        },
    )


def test_nothing_and_only_words() -> None:
    assert parse_docstring(None) == ("", {})
    assert parse_docstring("") == ("", {})
    assert parse_docstring("Look: there.") == ("Look: there.", {})


def test_only_parameters() -> None:
    assert parse_docstring("\n    Args:\n        x: it\n    ") == ("", {"x": "it"})
    assert parse_docstring(":param x: it") == ("", {"x": "it"})


def test_a_word_of_a_heading_in_a_sentence_is_no_section() -> None:
    text = "Returns\nwhat was found.\n\nExample: none.\nNotes: the colon above begins no section"
    assert parse_docstring(text)[0].startswith("Returns what was found.\n\nExample: none. Notes: the colon")


def test_several_numpy_parameters_share_a_description() -> None:
    assert parse_docstring("Parameters\n----------\nx, y : int\n    place")[1] == {"x": "place", "y": "place"}
