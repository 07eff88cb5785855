"""How numbers of things are said."""

from __future__ import annotations

import pytest

from arawn.interactions.counted import counted


@pytest.mark.parametrize(
    ("number", "said"), [(0, "0 lines"), (1, "1 line"), (2, "2 lines"), (1_234_567, "1,234,567 lines")]
)
def test_one_is_not_many(number: int, said: str) -> None:
    """And thousands are set apart."""
    assert counted(number, "line") == said


def test_some_plurals_are_their_own() -> None:
    """They are given."""
    assert counted(2, "feedback", "feedback") == "2 feedback"
