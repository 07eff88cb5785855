from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
from hypothesis import given

from arawn.config.layers import Layer, holds, merged, origin_of, single

LEAVES = st.one_of(st.integers(), st.lists(st.integers(), max_size=2))
TREES = st.recursive(
    st.dictionaries(st.sampled_from("abc"), LEAVES, max_size=3),
    lambda inner: st.dictionaries(st.sampled_from("abc"), st.one_of(LEAVES, inner), max_size=3),
    max_leaves=8,
)


def naively_merged(below: Any, above: Any) -> Any:
    if not (isinstance(below, dict) and isinstance(above, dict)):
        return above
    shared = {key: naively_merged(below[key], above[key]) for key in below.keys() & above.keys()}
    return below | above | shared


@given(first=TREES, second=TREES)
def test_tables_merge_key_by_key_and_everything_else_replaces(first: dict[str, Any], second: dict[str, Any]) -> None:
    """For any two layers, the later one wins wherever both have a value."""
    assert merged([Layer("1", first), Layer("2", second)]) == naively_merged(first, second)


@given(first=TREES, second=TREES)
def test_merging_leaves_the_layers_as_they_were(first: dict[str, Any], second: dict[str, Any]) -> None:
    """What is done with the merged tree of two layers can be done with each alone later."""
    layers = [Layer("1", first), Layer("2", second)]
    before = repr(layers)

    merged(layers)

    assert repr(layers) == before


def test_an_array_is_replaced_as_a_whole() -> None:
    """A later array does not mix with an earlier one."""
    layers = [single(("stop",), ["a", "b"], "1"), single(("stop",), ["c"], "2")]

    assert merged(layers) == {"stop": ["c"]}


def test_a_value_comes_from_the_last_layer_that_sets_it() -> None:
    """The origin of a value is the place whose text is in effect."""
    low = Layer(
        "low", {"llm": {"model": "a", "backend": "x"}}, {("llm", "model"): "low:2", ("llm", "backend"): "low:3"}
    )
    high = single(("llm", "model"), "b", "high")

    assert origin_of([low, high], ("llm", "model")) == "high"
    assert origin_of([low, high], ("llm", "backend")) == "low:3"


def test_a_missing_key_is_reported_where_its_table_begins_first() -> None:
    """A person looks for a missing key in the file with the table, not in the variable that added to it."""
    low = Layer("low", {"llm": {"backend": "x"}}, {("llm",): "low:1", ("llm", "backend"): "low:2"})
    high = single(("llm", "max_tokens"), 5, "high")

    assert origin_of([low, high], ("llm", "model")) == "low:1"
    assert origin_of([low, high], ("server", "listen")) is None


def test_positions_count_only_in_arrays() -> None:
    """A path with a position holds in an array that is long enough, and nowhere else."""
    tree = {"rules": [{"name": "a"}], "0": {}}

    assert holds(tree, ("rules", 0, "name"))
    assert not holds(tree, ("rules", 1))
    assert not holds(tree, (0,))
    assert not holds(tree, ("rules", "name"))
