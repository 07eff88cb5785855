"""What signals do to the asynchronous part of a command."""

from __future__ import annotations

import os
import signal

import click
import pytest
import trio
import trio.testing

from arawn.cli.interrupts import Interrupts, run_async


def test_an_error_comes_out_as_it_is() -> None:
    """Not inside a group."""

    async def fail() -> None:
        raise ValueError("x")

    with pytest.raises(ValueError, match="x"):
        run_async(fail)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_cancels_and_becomes_the_exit_code(number: signal.Signals) -> None:
    """What is under way is cancelled first."""
    ended = []

    async def wait() -> None:
        signal.raise_signal(number)
        try:
            await trio.sleep_forever()
        finally:
            ended.append("in order")

    with pytest.raises(click.exceptions.Exit) as leaving:
        run_async(wait)

    assert (leaving.value.exit_code, ended) == (128 + number, ["in order"])


def test_a_marked_block_is_cancelled_alone() -> None:
    """The command goes on; SIGTERM still ends all of it."""

    interrupts = Interrupts()

    async def work() -> bool:
        with interrupts.catching() as scope:
            signal.raise_signal(signal.SIGINT)
            await trio.sleep_forever()
        caught = scope.cancelled_caught
        with interrupts.catching():
            signal.raise_signal(signal.SIGTERM)
            await trio.sleep_forever()
        return caught

    with pytest.raises(click.exceptions.Exit) as leaving:
        run_async(work, interrupts)

    assert leaving.value.exit_code == 143


@pytest.mark.parametrize("marked", [False, True])
def test_a_second_signal_ends_it_at_once(marked: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even when the first one is held up."""
    exits: list[int] = []
    monkeypatch.setattr(os, "_exit", exits.append)

    interrupts = Interrupts()

    async def work() -> None:
        with interrupts.catching() if marked else trio.CancelScope(), trio.CancelScope(shield=True):
            signal.raise_signal(signal.SIGINT)
            await trio.testing.wait_all_tasks_blocked()
            signal.raise_signal(signal.SIGINT)
            await trio.testing.wait_all_tasks_blocked()

    try:
        run_async(work, interrupts)
    except click.exceptions.Exit:
        assert not marked

    assert exits == [130]
