"""What a person is told of a turn with tools while it goes on: on stderr, beside the answer."""

from __future__ import annotations

import msgspec
import trio

from arawn.agent.events import ToolEnded, ToolStarted, TurnEvent, TurnReply
from arawn.agent.mcp_server import START_S
from arawn.beside import open_beside
from arawn.cli.output import AnswerPrinter, note
from arawn.cli.question import Answerer, Emit, Question
from arawn.interactions.counted import counted
from arawn.messages import CompletionResponse

__all__ = ["TurnPrinter", "answered", "is_unanswered", "note_cut", "tool_words"]

_LONGEST = 200
_SILENCE_S = 3.0
_WAITING = (
    "waiting for the tools {names} and the model's first word: a tool server has {seconds:g} s to start; "
    "Ctrl-C ends the wait"
)


class TurnPrinter:
    """Prints the text of an answer as it comes, and, if a person is to be told, what its tools do."""

    def __init__(self, printer: AnswerPrinter, *, told: bool) -> None:
        self._printer = printer
        self._told = told

    async def emit(self, event: TurnEvent) -> None:
        """Print the event; checkpoints and errors as for `AnswerPrinter.emit`."""
        if not isinstance(event, ToolStarted | ToolEnded):
            await self._printer.emit(event)
            return
        self._printer.end_line()  # what the model says next is another answer
        if self._told:
            note(tool_words(event))


async def answered(answerer: Answerer, question: Question, emit: Emit, *, told: bool) -> CompletionResponse:
    """Have a question answered; if its tools keep a person waiting, say so.

    Args:
        answerer: Who answers.
        question: What is asked.
        emit: Awaited for every part of the answer.
        told: Whether there is a person to be told.

    Raises:
        ArawnError, ActorError: As for `Answerer.ask`.

    Checkpoint: always. If cancelled: the call is cancelled, and recorded as such.
    """
    if not (told and question.tools):
        return await answerer.ask(question, emit)
    async with open_beside() as nursery:
        patience = trio.CancelScope()

        async def emit_and_end_patience(event: TurnEvent) -> None:
            patience.cancel(reason="there is something to read")
            await emit(event)

        nursery.start_soon(_note_silence, question, patience)
        return await answerer.ask(question, emit_and_end_patience)


async def _note_silence(question: Question, patience: trio.CancelScope) -> None:
    with patience:
        await trio.sleep(_SILENCE_S)
        names = ", ".join(f"`{name}`" for name in question.tools)
        note(_WAITING.format(names=names, seconds=START_S))


def note_cut(response: CompletionResponse) -> None:
    """Say that a turn has ended at its limit, if it has."""
    if isinstance(response, TurnReply) and response.truncated:
        calls = counted(response.iterations, "call")
        note(f"the turn ended at its limit of {calls} to the model; say more to go on")


def is_unanswered(response: CompletionResponse) -> bool:
    """Say whether a turn has ended at its limit, and its last call to the model brought nothing but tool calls."""
    return isinstance(response, TurnReply) and response.truncated and not response.text.strip()


def tool_words(event: ToolStarted | ToolEnded) -> str:
    """Return one line; what a model or a tool wrote must not move the cursor."""
    if isinstance(event, ToolStarted):
        words = f"{event.name} {msgspec.json.encode(event.arguments).decode()}"
    elif event.is_error:
        words = f"{event.name} failed: {event.text.removeprefix(f'`{event.name}` failed: ')}"
    else:
        words = f"{event.name}: {event.text}"
    plain = "".join(letter if letter.isprintable() else " " for letter in words[: 10 * _LONGEST])
    line = " ".join(plain.split())
    cut = len(line) > _LONGEST or len(words) > 10 * _LONGEST
    return f"[{line[:_LONGEST]}{' …' if cut else ''}]"
