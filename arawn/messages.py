"""What is said to a model and what it says back: one neutral form for every dialect. Pure data."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

__all__ = [
    "Begun",
    "CallContext",
    "Completed",
    "CompletionRequest",
    "CompletionResponse",
    "ContentBlock",
    "Image",
    "Message",
    "RoutingMetadata",
    "StreamEvent",
    "Text",
    "TextDelta",
    "Thinking",
    "ThinkingDelta",
    "ToolDefinition",
    "ToolResult",
    "ToolUse",
    "ToolUseDelta",
    "ToolUseStart",
    "Usage",
    "user",
]


class Text(msgspec.Struct, frozen=True, gc=False, tag="text"):
    """Plain text."""

    text: str


class Thinking(msgspec.Struct, frozen=True, gc=False, tag="thinking", omit_defaults=True):
    """Reasoning shown by the model; `signature` must be sent back unchanged to the provider that made it."""

    text: str
    signature: str | None = None


class Image(msgspec.Struct, frozen=True, gc=False, tag="image", omit_defaults=True):
    """A picture: base64 `data` with its `media_type`, or a `url`; exactly one of `data` and `url` is set."""

    media_type: str | None = None
    data: str | None = None
    url: str | None = None


class ToolUse(msgspec.Struct, frozen=True, gc=False, tag="tool_use", omit_defaults=True):
    """A tool call asked for by the model.

    Arguments that are not a JSON object keep their raw text in `invalid_arguments`; `arguments` is None then, whatever
    was given for it, and only then.
    """

    id: str
    name: str
    arguments: dict[str, Any] | None = msgspec.field(default_factory=lambda: {})  # noqa: PIE807  # `dict` would be left out
    invalid_arguments: str | None = None

    def __post_init__(self) -> None:  # lines and databases written earlier have `{}` there
        if self.invalid_arguments is not None and self.arguments is not None:
            msgspec.structs.force_setattr(self, "arguments", None)


class ToolResult(msgspec.Struct, frozen=True, gc=False, tag="tool_result", omit_defaults=True):
    """What a tool answered, joined to its call by `tool_use_id`."""

    tool_use_id: str
    content: tuple[Text | Image, ...] = ()
    is_error: bool = False


ContentBlock = Text | Thinking | Image | ToolUse | ToolResult


class Message(msgspec.Struct, frozen=True, gc=False):
    """One turn of a conversation. Tool results travel in messages of role `user`."""

    role: Literal["user", "assistant"]
    content: tuple[ContentBlock, ...]


def user(text: str) -> Message:
    """Return a user message holding `text`."""
    return Message("user", (Text(text),))


class ToolDefinition(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A tool offered to the model; `parameters` is a JSON Schema object.

    With `strict` the provider is asked for calls whose arguments always fit it; each has its own demands on the schema.
    """

    name: str
    description: str = ""
    parameters: dict[str, Any] = {}
    strict: bool = False


class Usage(msgspec.Struct, frozen=True, gc=False):
    """Token counts as the provider reported them; None where it reported nothing.

    `input_tokens` excludes tokens read from or written to the provider's prompt cache; `total_input_tokens` includes
    both, in every dialect.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None

    @property
    def total_input_tokens(self) -> int | None:
        """Everything the model read: fresh, cache reads and cache writes; None if nothing was reported."""
        fresh, read, written = self.input_tokens, self.cache_read_tokens, self.cache_write_tokens
        return None if fresh is read is written is None else (fresh or 0) + (read or 0) + (written or 0)


class CompletionRequest(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """One completion asked of a backend. What is None falls to the profile, then to the provider.

    `tool_choice` is "auto", "none", "required" or a tool's name. `extra` is merged into the provider's request body
    as it is, over the profile's own `extra`.
    """

    messages: tuple[Message, ...]
    system: str | None = None
    tools: tuple[ToolDefinition, ...] = ()
    tool_choice: str | None = None
    model: str | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop: tuple[str, ...] | None = None
    extra: dict[str, Any] = {}


class RoutingMetadata(msgspec.Struct, frozen=True, gc=False):
    """Why a profile was chosen. `confidence` is within 0..1; `features` are the numbers the decision was made from.

    Of a call whose profile was chosen by rules, a classifier or a policy they have `candidates`, the names of all
    profiles there were; of any other they are empty.
    """

    profile: str
    reason: str
    confidence: float = 1.0
    features: dict[str, Any] = {}


class CompletionResponse(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One model answer, plain or assembled from a stream.

    `stop_reason` is one of "end_turn", "max_tokens", "stop_sequence", "tool_use", "refusal", or the provider's own word
    when it is none of these; `stop_reason_raw` is always the provider's word. `interaction_id` is the id of the log
    record that holds this answer (None when the log is off). `left_out` names the parts of the request that the
    provider was not told, because its dialect cannot say them; `warnings` say so in sentences, and what else was odd.
    """

    content: tuple[ContentBlock, ...]
    model: str
    stop_reason: str | None = None
    stop_reason_raw: str | None = None
    usage: Usage = Usage()
    request_id: str | None = None
    profile: str | None = None
    interaction_id: str | None = None
    routing: RoutingMetadata | None = None
    warnings: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """All text blocks joined."""
        return "".join([block.text for block in self.content if isinstance(block, Text)])

    @property
    def tool_calls(self) -> tuple[ToolUse, ...]:
        """The tool calls asked for, in order."""
        return tuple(block for block in self.content if isinstance(block, ToolUse))


class TextDelta(msgspec.Struct, frozen=True, gc=False, tag="text_delta"):
    """More text for the content block at `index`."""

    index: int
    text: str


class ThinkingDelta(msgspec.Struct, frozen=True, gc=False, tag="thinking_delta"):
    """More reasoning for the content block at `index`."""

    index: int
    text: str


class ToolUseStart(msgspec.Struct, frozen=True, gc=False, tag="tool_use_start"):
    """A tool call begins as the content block at `index`."""

    index: int
    id: str
    name: str


class ToolUseDelta(msgspec.Struct, frozen=True, gc=False, tag="tool_use_delta"):
    """More of the argument text (JSON, cut anywhere) of the tool call at `index`."""

    index: int
    partial_json: str


class Completed(msgspec.Struct, frozen=True, gc=False, tag="completed"):
    """The last event of every stream that succeeds; its response equals the one of a plain call."""

    response: CompletionResponse


class Begun(msgspec.Struct, frozen=True, gc=False):
    """Goes before the first delta of a call: what is known of its answer by then. Readers do not see it.

    Attributes:
        model: The model that answers, if the provider has named it by then, else the one that it was asked for.
        left_out: The names of the parts of the request that the provider was not told.
        interaction_id: The id of the record that will hold the answer; None while the log is off.
        routing: The profile that answers, and why.
        usage: What the provider has reported by then, such as the input: of a call that is left nothing more comes.
        request_id: The provider's id of the request, if it has named one.
    """

    model: str
    left_out: tuple[str, ...] = ()
    interaction_id: str | None = None
    routing: RoutingMetadata | None = None
    usage: Usage = Usage()
    request_id: str | None = None


StreamEvent = TextDelta | ThinkingDelta | ToolUseStart | ToolUseDelta | Completed


class CallContext(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """Where a call comes from; travels with it to the backend and into the record. `iteration` counts from 1."""

    workstream: str | None = None
    session_id: str | None = None
    turn_id: int | None = None
    iteration: int = 1
    tags: dict[str, str] = {}
    routing: RoutingMetadata | None = None
