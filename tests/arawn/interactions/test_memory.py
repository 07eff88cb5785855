"""A memory of bounded size."""

from __future__ import annotations

from sys import getsizeof

from hypothesis import given
from hypothesis import strategies as st

from arawn.interactions.memory import Memory, Seen


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 60)), max_size=200))
def test_it_never_holds_more_than_its_limit_and_never_lies(steps: list[tuple[int, int]]) -> None:
    """What is found under a key is what was last put there; the sizes of all entries stay within the bound."""
    memory: Memory[int, tuple[int, int]] = Memory(100)
    last: dict[int, tuple[int, int]] = {}

    for number, (key, size) in enumerate(steps):
        found = memory.get(key)
        assert found is None or found == last[key]
        last[key] = (number, size)
        memory.put(key, last[key], size)
        held = [entry for key in last if (entry := memory.get(key)) is not None]
        assert sum(size for _, size in held) <= 100


def test_what_is_asked_for_stays() -> None:
    """What is used again and again outlives what is not."""
    memory: Memory[str, int] = Memory(20)
    memory.put("used", 0, 2)
    memory.put("unused", 1, 2)

    for number in range(50):
        memory.put(f"new{number}", number, 2)
        assert memory.get("used") == 0

    assert memory.get("unused") is None


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 60)), max_size=60), st.lists(st.integers(0, 9)))
def test_what_is_asked_for_together_is_never_a_lie(steps: list[tuple[int, int]], keys: list[int]) -> None:
    """What is found is what was last put there, each at its place."""
    memory: Memory[int, int] = Memory(100)
    last: dict[int, int] = {}
    for number, (key, size) in enumerate(steps):
        last[key] = number
        memory.put(key, number, size)

    for key, found in zip(keys, memory.get_all(keys), strict=True):
        assert found is None or found == last[key]


def test_what_is_asked_for_together_stays_as_well() -> None:
    """What was not asked for lately is found as by `get`, and outlives what is not asked for."""
    memory: Memory[str, int] = Memory(20)
    memory.put("used", 0, 2)
    memory.put("unused", 1, 2)

    for number in range(50):
        memory.put(f"new{number}", number, 2)
        assert memory.get_all(["used", f"new{number}", "none"]) == [0, number, None]

    assert memory.get_all(["used", "unused"]) == [0, None]


@given(st.lists(st.sets(st.text("abc", max_size=9), max_size=4), max_size=60))
def test_what_was_seen_stays_within_the_bound(steps: list[set[str]]) -> None:
    """Nothing was seen that was not added; a text that is asked for again and again is not forgotten."""
    limit, added = 1_000, {"used"}
    seen = Seen(limit)
    seen.add({"used"})

    for texts in steps:
        unseen = seen.unseen(texts)
        assert texts - added <= unseen <= texts
        seen.add(unseen)
        added |= texts
        assert not seen.unseen(("used",))
        assert sum(map(getsizeof, seen._young | seen._old)) <= limit


def test_what_is_too_large_to_be_remembered_was_not_seen() -> None:
    """One text never takes the place of all others."""
    seen = Seen(1_000)
    seen.add({"small"})

    seen.add({"x" * 1_000})

    assert seen.unseen(("small", "x" * 1_000)) == {"x" * 1_000}


def test_what_is_too_large_is_not_remembered() -> None:
    """One thing never takes the place of everything else, nor leaves an older value behind."""
    memory: Memory[str, int] = Memory(20)
    memory.put("a", 1, 2)

    memory.put("a", 2, 11)

    assert memory.get("a") is None
    memory.put("b", 3, 11)
    assert memory.get("b") is None
