"""A provider without a network: it echoes, or plays a script, with set delays and faults. For tests and demos."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import count
from typing import Literal

import msgspec
import trio

from arawn.backends.announced import announced
from arawn.backends.assembly import ContentAssembly
from arawn.backends.failures import from_status
from arawn.backends.masking import Masking
from arawn.backends.protocol import Emit
from arawn.backends.script import ScriptedCall, ScriptedFault, Step
from arawn.backends.verbatim import dropped
from arawn.config.schema import Profile
from arawn.errors import BackendError, BadReply, TimedOut
from arawn.messages import (
    Begun,
    CompletionRequest,
    CompletionResponse,
    Message,
    StreamEvent,
    Text,
    TextDelta,
    Thinking,
    ThinkingDelta,
    ToolResult,
    ToolUseDelta,
    ToolUseStart,
    Usage,
)

__all__ = ["ScriptedProvider"]

_WORDS = re.compile(r"\s*\S+|\s+$")


class ScriptedProvider:
    """Plays its steps in order, over and over; each call takes the next one, at the moment it begins."""

    secrets: tuple[str, ...] = ()

    def __init__(self, profile_name: str, profile: Profile, steps: Sequence[Step]) -> None:
        self.defaults = profile
        self._where = f"profile `{profile_name}` (scripted)"
        self._profile_name = profile_name
        self._profile = profile
        self._steps = steps
        self._numbers = count()

    async def complete(self, request: CompletionRequest) -> CompletionResponse:
        """Return the step's whole answer; `total_s` applies.

        Raises:
            BackendError: The step says so.

        Checkpoint: always.
        If cancelled: the step is used up.
        """
        number, step = self._take()
        await self._pause(math.inf if step.hang else step.delay_s, "total")
        if step.error is not None:
            raise self._fault(step.error)
        if step.cut_after is not None:
            raise self._cut()
        answer = ContentAssembly()
        for event in _deltas(step, number, request, _whole):
            answer.add(event)
        return self._response(answer, step, number, request)

    async def stream(self, request: CompletionRequest, emit: Emit) -> CompletionResponse:
        """Call `emit` for every word and tool call, then return the answer; the stream deadlines apply.

        Raises:
            TimedOut: It took longer than one of the deadlines; `partial` holds what was emitted.
            BackendError: The step says so; `partial` as above.

        Checkpoint: always.
        If cancelled: the step is used up.
        """
        number, step = self._take()
        ends_at = trio.current_time() + self._profile.timeouts.total_s
        await self._pause(math.inf if step.hang and not step.cut_after else step.delay_s, "first_token")
        if step.error is not None:
            raise self._fault(step.error)
        answer = ContentAssembly()
        emit = announced(emit, lambda: Begun(_model(request)))
        try:
            with trio.CancelScope(deadline=ends_at) as total:
                await self._emit_all(_deltas(step, number, request, _words), step, answer, emit)
            if total.cancelled_caught:
                limit = self._profile.timeouts.total_s
                raise TimedOut(f"{self._where} took longer than `total_s` = {limit:g} s", which="total")
        except BackendError as error:
            arrived = self._response(answer, step, number, request)
            error.partial = msgspec.structs.replace(arrived, stop_reason=None, stop_reason_raw=None)
            error.retryable = False
            raise
        return self._response(answer, step, number, request)

    async def _emit_all(self, events: Iterator[StreamEvent], step: Step, answer: ContentAssembly, emit: Emit) -> None:
        for position, event in enumerate(events):
            if position == step.cut_after:
                break
            if position:
                await self._pause(step.token_delay_s, "idle")
            answer.add(event)
            if (waiting := emit(event)) is not None:
                await waiting
        if step.cut_after is not None:
            await self._pause(math.inf if step.hang else 0, "idle")
            raise self._cut()

    def _take(self) -> tuple[int, Step]:
        number = next(self._numbers)
        return number, self._steps[number % len(self._steps)]

    async def _pause(self, seconds: float, which: Literal["first_token", "idle", "total"]) -> None:
        """Wait, for as long as the profile's deadline `which` lets a provider be silent."""
        limit: float = getattr(self._profile.timeouts, f"{which}_s")
        await trio.sleep(min(seconds, limit))
        if seconds > limit:
            raise TimedOut(f"{self._where} was silent for `{which}_s` = {limit:g} s", which=which)

    def _fault(self, fault: ScriptedFault) -> BackendError:
        headers = {} if fault.retry_after_s is None else {"retry-after": str(fault.retry_after_s)}
        body = msgspec.json.encode({"error": {"message": fault.message, "code": fault.code}})
        error = from_status(self._where, fault.status, headers, body, now=datetime.now(UTC))
        Masking(()).of_error(error)
        return error

    def _cut(self) -> BadReply:
        return BadReply(f"{self._where} cut its answer off, as its script says")

    def _response(
        self, answer: ContentAssembly, step: Step, number: int, request: CompletionRequest
    ) -> CompletionResponse:
        stop_reason = step.stop_reason or ("tool_use" if step.tool_calls else "end_turn")
        content = answer.content()
        said = " ".join(block.text for block in content if isinstance(block, Text | Thinking))
        counted = Usage(input_tokens=_words_in(request), output_tokens=len(said.split()))
        return CompletionResponse(
            content=content,
            model=_model(request),
            stop_reason=stop_reason,
            stop_reason_raw=stop_reason,
            usage=step.usage or counted,
            request_id=f"scripted-{number}",
            profile=self._profile_name,
            warnings=dropped(request),
        )


def _words(text: str) -> Iterator[str]:
    return (found[0] for found in _WORDS.finditer(text))


def _whole(text: str) -> tuple[str, ...]:
    return (text,)


def _deltas(
    step: Step, number: int, request: CompletionRequest, pieces: Callable[[str], Iterable[str]]
) -> Iterator[StreamEvent]:
    """Yield the answer of `step`: the `pieces` of its thinking and of its text, each tool call in two events."""
    index = 0
    if step.thinking:
        yield from (ThinkingDelta(index, piece) for piece in pieces(step.thinking))
        index += 1
    text = step.text
    if text is None and not step.thinking and not step.tool_calls:
        text = f"echo: {_last_user_text(request)}"
    if text:
        yield from (TextDelta(index, piece) for piece in pieces(text))
        index += 1
    for position, call in enumerate(step.tool_calls, index):
        yield ToolUseStart(position, call.id or f"call_{number}_{position}", call.name)
        yield ToolUseDelta(position, _arguments(call))


def _model(request: CompletionRequest) -> str:
    return request.model or "scripted"


def _arguments(call: ScriptedCall) -> str:
    if call.invalid_arguments is not None:
        return call.invalid_arguments
    return msgspec.json.encode(call.arguments).decode()


def _last_user_text(request: CompletionRequest) -> str:
    for message in reversed(request.messages):
        if message.role == "user":
            return " ".join(_texts(message))
    return ""


def _texts(message: Message) -> Iterator[str]:
    for block in message.content:
        if isinstance(block, Text | Thinking):
            yield block.text
        elif isinstance(block, ToolResult):
            yield from (part.text for part in block.content if isinstance(part, Text))


def _words_in(request: CompletionRequest) -> int:
    texts = [text for message in request.messages for text in _texts(message)]
    return sum(len(text.split()) for text in [*texts, request.system or ""])
