"""What a person sees of an answer while it comes: its text, and on stderr what its tools do."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import Self

import click
import msgspec
import trio

from arawn.agent.events import Emit, ToolEnded, ToolStarted, TurnEvent, TurnReply
from arawn.agent.mcp_server import START_S
from arawn.beside import open_beside
from arawn.cli.output import note, say, write_out
from arawn.cli.streams import INTERRUPTED
from arawn.interactions.counted import counted
from arawn.messages import CompletionResponse, TextDelta
from arawn.server.native import ChatRequest

__all__ = ["AnswerPrinter", "answered", "is_unanswered", "keep_silent", "note_cut", "tool_words"]

_LONGEST = 200
_SILENCE_S = 3.0
_WAITING = (
    "waiting for the tools {names} and the model's first word: a tool server has {seconds:g} s to start; "
    "Ctrl-C ends the wait"
)

Ask = Callable[[ChatRequest, Emit], Awaitable[CompletionResponse]]


class AnswerPrinter:
    """Prints the text of answers as it comes, and notes what their tools do.

    Leaving the block ends a line that is still open, errors or not.
    """

    def __init__(self) -> None:
        self._in_line = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        interrupted = isinstance(error, click.exceptions.Exit) and error.exit_code == INTERRUPTED
        if not (interrupted and sys.stdout.isatty()):  # the end of an interrupted program ends a terminal's line
            self._end_line()

    async def emit(self, event: TurnEvent) -> None:
        """Print the event if there is anything to print; errors as for `write_out`.

        Checkpoint: only for text. If cancelled: a part may still be written.
        """
        if isinstance(event, ToolStarted | ToolEnded):
            self._end_line()  # what the model says next is another answer
            note(tool_words(event))
        elif isinstance(event, TextDelta) and event.text:
            self._in_line = not event.text.endswith("\n")
            await write_out(event.text)

    def _end_line(self) -> None:
        """End the line that the text so far left open."""
        if self._in_line:
            self._in_line = False
            say()


async def keep_silent(_: TurnEvent) -> None:
    """Print nothing: the whole answer comes at the end.

    Checkpoint: always. If cancelled: nothing has happened.
    """
    await trio.lowlevel.checkpoint()


async def answered(ask: Ask, question: ChatRequest, emit: Emit) -> CompletionResponse:
    """Have a question answered; if its tools keep a person waiting, say so.

    Args:
        ask: Has it answered.
        question: What is asked.
        emit: Awaited for every part of the answer.

    Raises:
        ArawnError, ActorError: As for `ask`.

    Checkpoint: always. If cancelled: the call is cancelled, and recorded as such.
    """
    if not question.tools:
        return await ask(question, emit)
    async with open_beside() as nursery:
        patience = trio.CancelScope()

        async def emit_and_end_patience(event: TurnEvent) -> None:
            patience.cancel(reason="there is something to read")
            await emit(event)

        nursery.start_soon(_note_silence, question, patience)
        return await ask(question, emit_and_end_patience)


async def _note_silence(question: ChatRequest, patience: trio.CancelScope) -> None:
    with patience:
        await trio.sleep(_SILENCE_S)
        names = ", ".join(f"`{name}`" for name in question.tools)
        note(_WAITING.format(names=names, seconds=START_S))


def note_cut(response: CompletionResponse, say_it: Callable[[str], None] = note) -> None:
    """Say that a turn has ended at its limit, if it has."""
    if isinstance(response, TurnReply) and response.truncated:
        calls = counted(response.iterations, "call")
        say_it(f"the turn ended at its limit of {calls} to the model; say more to go on")


def is_unanswered(response: CompletionResponse) -> bool:
    """Say whether a turn has ended at its limit, and its last call to the model brought nothing but tool calls."""
    return isinstance(response, TurnReply) and response.truncated and not response.text.strip()


def tool_words(event: ToolStarted | ToolEnded) -> str:
    """Return one line; what a model or a tool wrote must not move the cursor."""
    if isinstance(event, ToolStarted):
        given = "" if event.arguments is None else msgspec.json.encode(event.arguments).decode()
        words = f"{event.name} {given}"
    elif event.is_error:
        words = f"{event.name} failed: {event.text.removeprefix(f'`{event.name}` failed: ')}"
    else:
        words = f"{event.name}: {event.text}"
    plain = "".join(letter if letter.isprintable() else " " for letter in words[: 10 * _LONGEST])
    line = " ".join(plain.split())
    cut = len(line) > _LONGEST or len(words) > 10 * _LONGEST
    return f"[{line[:_LONGEST]}{' …' if cut else ''}]"
