"""What a model server of our own does without a word is told by its answers, or mended."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from arawn.backends.local import LocalProvider
from arawn.backends.local_silence import without_prefill
from arawn.backends.protocol import Emit
from arawn.backends.verbatim_reply import with_bytes
from arawn.config.schema import Profile
from arawn.errors import BadInput
from arawn.messages import (
    Begun,
    CompletionRequest,
    CompletionResponse,
    Message,
    StreamEvent,
    Text,
    Thinking,
    ToolDefinition,
    user,
)

ASK = CompletionRequest(messages=(user("Is it raining?"),), tools=(ToolDefinition("weather"),))
ANSWER = CompletionResponse(content=(Text("No."),), model="m", warnings=("odd",), left_out=("other",))


class _Http:
    """Answers like a server that can do all, and remembers nothing."""

    defaults = Profile(backend="local")
    secrets = ()

    async def complete(self, request: CompletionRequest) -> CompletionResponse:
        return ANSWER

    async def stream(self, request: CompletionRequest, emit: Emit) -> CompletionResponse:
        emit(Begun("m", ANSWER.left_out))
        return ANSWER


def provider(*, tells_tools: bool) -> LocalProvider:
    http: Any = _Http()
    server: Any = SimpleNamespace(tells_tools=tells_tools)
    return LocalProvider("profile `p` (local)", http, server)


async def answers(provider: LocalProvider, request: CompletionRequest) -> tuple[list[CompletionResponse], list[Any]]:
    """Return the answer, whole and streamed, and what the stream has said first."""
    said: list[StreamEvent | Begun] = []
    return [await provider.complete(request), await provider.stream(request, said.append)], said


@pytest.mark.parametrize("choice", [None, "auto", "none"])
async def test_tools_that_the_model_was_not_told_of_are_named(choice: str | None) -> None:
    """Among what was left out, before the first word of a stream too, and by a warning of their own."""
    request = msgspec.structs.replace(ASK, tool_choice=choice)

    both, said = await answers(provider(tells_tools=False), request)

    assert [each.left_out for each in (*both, *said)] == [("other", "tools")] * 3
    assert [len(each.warnings) for each in both] == [2, 2]
    assert "has no words for tools" in both[0].warnings[1]


@pytest.mark.parametrize("choice", ["required", "weather"])
async def test_a_call_that_the_model_cannot_make_is_refused(choice: str) -> None:
    """Nothing is sent: the answer could not be what was asked for."""
    request = msgspec.structs.replace(ASK, tool_choice=choice)
    untold = provider(tells_tools=False)

    with pytest.raises(BadInput, match=r"profile `p` \(local\) cannot call a tool, as `tool_choice` demands"):
        await untold.complete(request)
    with pytest.raises(BadInput, match="use a model whose template has"):
        await untold.stream(request, lambda _: None)
    assert (await answers(provider(tells_tools=True), request))[0] == [ANSWER, ANSWER]


@pytest.mark.parametrize("tells_tools", [True, False])
async def test_nothing_is_said_where_nothing_was_left_out(tells_tools: bool) -> None:
    """A model that knows tools, or a call without any."""
    request = ASK if tells_tools else msgspec.structs.replace(ASK, tools=())

    both, said = await answers(provider(tells_tools=tells_tools), request)

    assert both == [ANSWER, ANSWER]
    assert said == [Begun("m", ("other",))]


@pytest.mark.parametrize(
    ("given", "said", "rest"),
    [
        ((Text("One, "),), (Text("One, two"),), (Text("two"),)),
        ((Text("One, "),), (Thinking("Hm."), Text("One, two")), (Thinking("Hm."), Text("two"))),
        ((Text("a"), Text("b")), (Text("a\n\nbc"),), (Text("c"),)),
        ((Text("One."),), (Text("One."),), ()),
        ((Text("One, "),), (Text(" One, two"),), (Text(" One, two"),)),
    ],
)
def test_an_answer_goes_on_where_it_was_begun(given: Any, said: Any, rest: Any) -> None:
    """What the request said for the model is no part of the answer, if the server says just that once more."""
    request = CompletionRequest(messages=(user("Count."), Message("assistant", given)))
    answer = CompletionResponse(content=said, model="m")

    assert without_prefill(answer, request).content == rest


def test_other_answers_stay_as_they_are() -> None:
    """Those to a question, and those that are passed on in the provider's own bytes."""
    begun = CompletionRequest(messages=(user("Count."), Message("assistant", (Text("N"),))))
    verbatim = with_bytes(ANSWER, b"{}")

    assert without_prefill(ANSWER, msgspec.structs.replace(ASK, messages=(user("No."),))) is ANSWER
    assert without_prefill(ANSWER, CompletionRequest(messages=())) is ANSWER
    assert without_prefill(verbatim, begun) is verbatim
