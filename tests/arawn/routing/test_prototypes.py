from __future__ import annotations

import math

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arawn.routing.prototypes import Prototypes, directions, likeness, prototypes_of

VECTORS = st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=3)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from("abc"), st.lists(VECTORS, min_size=1, max_size=3), min_size=1), VECTORS)
def test_any_vector_is_nearest_to_some_profile(vectors: dict[str, list[list[float]]], asked: list[float]) -> None:
    """With a confidence within 0..1; one of another length is near to none."""
    learnt = prototypes_of(vectors, model=None)
    nearest = likeness(directions(learnt), asked)

    if nearest is None:  # at the centre, or as good as
        assert math.dist(asked, learnt.centre) < 1e-150
        return
    assert nearest.profile in vectors
    assert 0 <= nearest.confidence <= 1
    assert likeness(directions(learnt), asked[1:]) is None


@pytest.mark.parametrize("odd", [[0.0, 0.0], [float("nan"), 1.0], [float("inf"), 1.0], [1e300, 1e300]])
def test_a_vector_without_direction_is_like_nothing(odd: list[float]) -> None:
    """Not an error; and a prototype without direction is as far as can be."""
    learnt = Prototypes(embeddings_model=None, centre=[0.0, 0.0], profiles={"a": [1.0, 2.0]})
    assert likeness(directions(learnt), odd) is None

    nowhere = likeness(directions(msgspec.structs.replace(learnt, profiles={"a": odd})), [1.0, 2.0])
    assert nowhere is not None
    assert nowhere.confidence == 0.0
