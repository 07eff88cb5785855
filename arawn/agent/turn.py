"""One turn with tools while it goes on: asks the model, runs what it asks for, and owns what has been said."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import cast

import msgspec
import trio

from actors.errors import shown
from arawn.agent.events import ToolEnded, ToolStarted, TurnEvent, TurnReply
from arawn.agent.plan import (
    after_answer,
    batches,
    closed,
    distinct,
    error_result,
    refusals,
    reply_of,
    too_large,
    without_last_results,
)
from arawn.agent.sendable import sendable
from arawn.agent.tool import BadArguments, Tool, ToolRaised
from arawn.backends.actor import Call
from arawn.config.schema import AgentConfig
from arawn.errors import ArawnError, BadRequest
from arawn.foreign_errors import passing_on
from arawn.messages import CompletionResponse, Message, Text, ToolResult, ToolUse
from arawn.threads import abandonable

__all__ = ["Turn"]

_LOG = logging.getLogger("arawn.agent")
_NOT_RUN = "not run: the turn has reached its limit of {limit} calls to the model"
_WHY_BYTES = 4096  # of what is said of a failure
_CUT_SHORT = "the turn was cut short before this call had a result; it may have had effects"


class Turn:
    """A question, the answers to it and the results of their tool calls. One task runs it, once."""

    def __init__(
        self,
        first: Call,
        tools: Mapping[str, Tool],
        limits: AgentConfig,
        ask: Callable[[Call], Awaitable[CompletionResponse]],
        keep: Callable[[], Awaitable[None]],
    ) -> None:
        """Begin nothing yet.

        Args:
            first: The first call to the model, with the definitions of all tools; its last message is the question.
            tools: What the model may use, by name.
            limits: How long the turn and each tool may go on.
            ask: Has a call answered.
            keep: Has `messages` stored; called before tools run, since what they do cannot be undone, and after.
        """
        self._keep = keep
        self._tools = tools
        self._first = first
        self._limits = limits
        self._ask = ask
        self._run_in_thread = abandonable(trio.to_thread.run_sync)
        self._responses: list[CompletionResponse] = []
        self._said: list[Message] = []  # since the question; every call but those of the last answer has its result
        self._results: dict[int, ToolResult] = {}  # of the calls of the last answer, by their place in it

    @property
    def answered(self) -> bool:
        """Whether the model has answered at all: a turn without an answer never was."""
        return bool(self._responses)

    @property
    def interaction_id(self) -> str | None:
        """The record of the last answer."""
        return self._responses[-1].interaction_id if self._responses else None

    def messages(self) -> tuple[Message, ...]:
        """Return the turn so far as history: a call that has no result yet gets one that says so."""
        said = (self._first.request.messages[-1], *self._said)
        return closed(said, self._results, _CUT_SHORT)

    async def run(self) -> TurnReply:
        """Go on until the model asks for no tool, or has been asked as often as the limit says.

        Raises:
            ContextTooLong, or BadRequest with status 413: With the last results the conversation is too long;
                `messages` has them left out.
            BackendError, ActorError: A call to the model failed. `messages` has what came before.

        Checkpoint: always.
        If cancelled: the call to the model is cancelled and recorded, async tools are cancelled, those in threads are
            left behind. `messages` has what came before.
        """
        limit = self._limits.max_iterations
        while True:
            response = distinct(await self._answer())
            self._responses.append(response)
            self._said.append(Message("assistant", response.content))
            match after_answer(response, len(self._responses), limit):
                case "done":
                    return reply_of(self._responses, self.messages(), truncated=False)
                case "limit":
                    why = _NOT_RUN.format(limit=limit)
                    self._results = {place: error_result(call, why) for place, call in enumerate(response.tool_calls)}
                    return reply_of(self._responses, self.messages(), truncated=True)
            await self._keep()
            await self._run_tools(response)
            await self._keep()

    async def _answer(self) -> CompletionResponse:
        try:
            return await self._ask(self._next_call())
        except BadRequest as error:
            if self._said and too_large(error):
                self._said[-1:] = without_last_results((self._said[-1],))
            raise

    def _next_call(self) -> Call:
        first = self._first
        return Call(
            msgspec.structs.replace(first.request, messages=(*first.request.messages, *self._said)),
            msgspec.structs.replace(first.context, iteration=len(self._responses) + 1),
            trio.current_time(),
            first.sink,
        )

    async def _run_tools(self, response: CompletionResponse) -> None:
        calls, refused = response.tool_calls, refusals(response, self._tools)
        for batch in batches(calls, self._tools, refused):
            async with trio.open_nursery() as nursery:
                for place, call in batch:
                    await self._tell(ToolStarted(call.id, call.name, call.arguments))
                    nursery.start_soon(self._run_one, place, call, refused.get(place))
        self._said.append(Message("user", tuple(self._results[place] for place in range(len(calls)))))
        self._results = {}

    async def _run_one(self, place: int, call: ToolUse, refused: str | None) -> None:
        result = await self._result(call) if refused is None else self._failed(call, refused)
        self._results[place] = result
        text = "".join(block.text for block in result.content if isinstance(block, Text))
        await self._tell(ToolEnded(call.id, call.name, text, result.is_error))

    async def _result(self, call: ToolUse) -> ToolResult:
        """Return what the model is to hear of a call; whatever goes wrong with a tool is its result."""
        assert call.arguments is not None, "refused in the plan"
        tool = self._tools[call.name]
        seconds = self._limits.tool_deadline_s if tool.deadline is None else tool.deadline
        try:
            with trio.move_on_after(seconds):
                answer = await tool.run(call.arguments, self._run_in_thread)
                content = sendable(answer.content, self._limits.tool_result_bytes)  # an answer may hold anything
                return ToolResult(call.id, content, answer.is_error)
        except BadArguments as error:
            return self._failed(call, f"the arguments do not fit `{call.name}`: {error}")
        except BaseException as error:  # noqa: ASYNC103, BLE001  # anybody's code, such as of `asyncio`
            passing = passing_on(error)
            if passing is not None:
                if passing is not error:
                    _LOG.info("tool `%s` failed while it was cancelled", call.name, exc_info=error)
                raise passing from None  # noqa: ASYNC104  # it is the cancellation
            return self._raised(call, error)  # noqa: ASYNC104  # no cancellation is in it
        return self._failed(call, f"`{call.name}` was not done after {seconds:g} s; it may have had effects")

    def _raised(self, call: ToolUse, error: BaseException) -> ToolResult:
        if isinstance(error, ArawnError):  # its text is made for readers
            said, trace = str(error), error.__cause__ if isinstance(error, ToolRaised) else None
            _LOG.info("tool `%s` failed: %s", call.name, said.partition("\n")[0][:_WHY_BYTES], exc_info=trace)
        else:
            said = shown(error)
            _LOG.info("tool `%s` failed", call.name, exc_info=error)
        return self._failed(call, f"`{call.name}` failed: {said}")

    def _failed(self, call: ToolUse, why: str) -> ToolResult:
        found = error_result(call, why)
        limit = min(_WHY_BYTES, self._limits.tool_result_bytes)
        return msgspec.structs.replace(found, content=sendable(found.content, limit))

    async def _tell(self, event: TurnEvent) -> None:
        if self._first.sink is None:
            return
        # Whoever gives tools reads `TurnEvent`s: the handle's signature says so.
        sink = cast("trio.MemorySendChannel[TurnEvent]", self._first.sink)
        try:
            await sink.send(event)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            await trio.lowlevel.checkpoint()  # the reader has left, and this turn is being cancelled for it
