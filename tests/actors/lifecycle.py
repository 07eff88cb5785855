"""The automaton that accepts the events of any actor's life."""

from __future__ import annotations

from collections import defaultdict

from actors.events import BackingOff, Crashed, DeadLetter, Ended, Event, GaveUp, Interrupted, Passivated, Started

_NEXT = {
    ("absent", Started): "up",
    ("absent", Crashed): "down",  # failed while it started
    ("absent", Interrupted): "down",
    ("absent", Ended): "absent",
    ("up", Crashed): "down",
    ("up", Interrupted): "down",
    ("up", BackingOff): "waiting",  # ended by itself
    ("up", Passivated): "absent",
    ("up", Ended): "absent",
    ("down", BackingOff): "waiting",
    ("down", Started): "up",  # with its group
    ("down", Crashed): "down",
    ("down", Interrupted): "down",
    ("down", Ended): "absent",
    ("waiting", Started): "up",
    ("waiting", Crashed): "down",
    ("waiting", Interrupted): "down",
    ("waiting", Ended): "absent",
}


def check_life_cycles(events: list[Event], *, ended: bool = True) -> None:
    """Accept the events of all actors, each by itself; with `ended`, none may be left alive."""
    states: dict[str, str] = defaultdict(lambda: "absent")
    numbers: dict[str, int] = defaultdict(int)
    for event in events:
        if isinstance(event, DeadLetter | GaveUp):
            continue
        step = (states[event.actor], type(event))
        assert step in _NEXT, f"{event} while {step[0]}"
        states[event.actor] = _NEXT[step]
        if isinstance(event, Started):
            assert event.incarnation > numbers[event.actor], f"{event} after number {numbers[event.actor]}"
            numbers[event.actor] = event.incarnation
        elif isinstance(event, Ended | Passivated):
            numbers[event.actor] = 0
    assert not ended or set(states.values()) <= {"absent"}, states
