"""Without a daemon `chat` and `ask` start the profile that answers, and no other."""

from __future__ import annotations

import pytest

from tests.arawn.cli.conftest import Command
from tests.arawn.cli.place import Place

PROFILES = """
[llm]
backend = "scripted"
[llm_profiles.fast]
backend = "scripted"
[llm_profiles.broken]
backend = "scripted"
script = "gone.json"
"""
ROUTED = """
[routing]
enabled = true
default = "default"
[[routing.rules]]
name = "simple"
profile = "fast"
condition = { complexity = "simple" }
"""


@pytest.mark.parametrize("asked", [("chat",), ("ask", "-w", "scratch")])
def test_a_profile_that_the_conversation_does_not_use_is_not_started(
    place: Place, command: Command, asked: tuple[str, ...]
) -> None:
    """It may be a local model, or one that cannot be started; a binding decides as it does with all of them."""
    place.configure(PROFILES)

    unbound = command(*asked, piped="one\n")
    command("workstreams", "bind", "scratch", "fast")
    bound = command(*asked, piped="two\n")
    command("workstreams", "bind", "scratch", "broken")
    broken = command(*asked, piped="three\n")

    assert (unbound.code, unbound.out.strip()) == (0, "echo: one")
    assert (bound.code, bound.out.strip()) == (0, "echo: two")
    assert "fast" in bound.err
    assert broken.code == 2
    assert "gone.json" in broken.err


def test_a_profile_that_is_bound_later_is_started_then(place: Place, command: Command) -> None:
    """The line before is answered by the one before; one that cannot be started is told, and nothing is bound."""
    place.configure(PROFILES)

    moved = command("chat", piped="one\n/profile fast\ntwo\n")
    stuck = command("chat", "-w", "other", piped="one\n/profile broken\n")
    shown = command("workstreams", "show", "other")

    assert (moved.code, moved.out) == (0, "echo: one\necho: two\n")
    assert "[fast: workstream `scratch` is bound to it" in moved.err
    assert (stuck.code, stuck.out) == (2, "echo: one\n")
    assert "gone.json" in stuck.err
    assert "broken" not in shown.out


def test_rules_may_choose_any_profile(place: Place, command: Command) -> None:
    """So all of them are started, unless the conversation is bound."""
    place.configure(PROFILES + ROUTED)

    ruled = command("chat", piped="one\n")
    command("workstreams", "bind", "scratch", "default")
    bound = command("chat", piped="one\n")

    assert (ruled.code, bound.code) == (2, 0)
