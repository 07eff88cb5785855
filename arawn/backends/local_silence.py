"""What a model server of our own does without a word: what a call has to be told of it, and what is mended. Pure."""

from __future__ import annotations

import msgspec

from arawn.backends.turns import joined
from arawn.backends.verbatim_reply import VerbatimResponse
from arawn.errors import BadInput
from arawn.messages import Begun, CompletionRequest, CompletionResponse, Text

__all__ = ["begun_without_tools", "require_no_call", "without_prefill", "without_tools"]

_UNTOLD = "the model was not told of any tool: its chat template has no words for tools"
_NOTHING = Text("")


def require_no_call(where: str, request: CompletionRequest) -> None:
    """Return if a model that is told of no tool may answer.

    Raises:
        BadInput: It must call one.
    """
    if request.tool_choice not in {None, "auto", "none"}:
        raise BadInput(
            f"{where} cannot call a tool, as `tool_choice` demands: the model's chat template has no words for tools; "
            "use a model whose template has, or leave out `tool_choice`"
        )


def begun_without_tools(begun: Begun) -> Begun:
    """Return what is said of an answer that begins, of a model that was told of no tool."""
    return msgspec.structs.replace(begun, left_out=(*begun.left_out, "tools"))


def without_tools(response: CompletionResponse) -> CompletionResponse:
    """Return the answer of a model that was told of no tool."""
    left_out, warnings = (*response.left_out, "tools"), (*response.warnings, _UNTOLD)
    return msgspec.structs.replace(response, left_out=left_out, warnings=warnings)


def without_prefill(response: CompletionResponse, request: CompletionRequest) -> CompletionResponse:
    """Return a whole answer without the beginning that the request gave it, which llama.cpp says once more.

    Streams of it do not, nor does any other server; an answer that is passed on as it came stays so.
    """
    last = [*joined(request.messages)][-1:]
    if not last or last[0].role != "assistant" or isinstance(response, VerbatimResponse):
        return response
    given = "\n\n".join(block.text for block in last[0].content if isinstance(block, Text))
    said = [Text(each.text.removeprefix(given)) if isinstance(each, Text) else each for each in response.content]
    return msgspec.structs.replace(response, content=(*(each for each in said if each != _NOTHING),))
