"""A memory of bounded size."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from arawn.interactions.memory import Memory


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


def test_what_is_too_large_is_not_remembered() -> None:
    """One thing never takes the place of everything else, nor leaves an older value behind."""
    memory: Memory[str, int] = Memory(20)
    memory.put("a", 1, 2)

    memory.put("a", 2, 11)

    assert memory.get("a") is None
    memory.put("b", 3, 11)
    assert memory.get("b") is None
