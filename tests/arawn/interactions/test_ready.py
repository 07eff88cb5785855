"""Messages and tools are made ready for the log once, and what is remembered never lets a secret through."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arawn.config.schema import InteractionLogConfig
from arawn.interactions.encode import encode_line
from arawn.interactions.ready import ready_messages, ready_tools
from arawn.interactions.record import ErrorRecord
from arawn.interactions.redact import Redactor
from arawn.interactions.said import Said, laid_out, said_in
from arawn.interactions.secret_set import SecretSet
from arawn.messages import (
    CallContext,
    CompletionRequest,
    ContentBlock,
    Image,
    Message,
    RoutingMetadata,
    Text,
    Thinking,
    ToolDefinition,
    ToolResult,
    ToolUse,
    user,
)
from tests.arawn.interactions.samples import CONFIG, record

SECRET = "hunter22-hunter22"
KEY = "gsk_" + "aB3dE5gH7jK9mN1pQ2rS4tU6vW8xY0zA"

SAYING: dict[str, list[Any]] = {
    "workstream": [SECRET],
    "session_id": [SECRET],
    "routing": [
        RoutingMetadata(SECRET, "Default"),
        RoutingMetadata("fast", SECRET),
        RoutingMetadata("fast", "Default", 1.0, {"candidates": ("fast", SECRET)}),
        RoutingMetadata("fast", "Default", 1.0, {SECRET: 1}),
    ],
    "tags": [{"team": SECRET}, {SECRET: "red"}],
    "params": [{"stop": ("end", SECRET)}, {"tool_choice": SECRET}, {"extra": {"a": [{SECRET: 1}]}}],
    "error": [ErrorRecord(type="Overloaded", message=SECRET)],
    **{key: [SECRET] for key in ("model_requested", "model_used", "stop_reason", "stop_reason_raw", "request_id")},
    "system_prompt": [SECRET],
    "response_content": [
        (Text("well"), Text(SECRET)),
        (Thinking("well", SECRET),),
        (ToolUse("1", "search", {"q": [SECRET]}),),
        [Text(SECRET)],
    ],
    "warnings": [("well", SECRET), [SECRET], SECRET],
}

pieces = st.sampled_from(["plain words, nothing else", SECRET, KEY, "ä\u2028ö", "\ud800 alone", "x" * 60, ""])
texts = st.lists(pieces, max_size=3).map(" ".join)
values = st.recursive(
    texts | st.integers() | st.none() | st.binary(max_size=40),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts | st.integers(), inner, max_size=3),
    max_leaves=6,
)
blocks = st.one_of(
    texts.map(Text),
    texts.map(Thinking),
    st.builds(Image, media_type=st.just("image/png"), data=texts),
    st.builds(ToolUse, id=texts, name=texts, arguments=st.dictionaries(texts, values, max_size=3)),
    st.builds(ToolResult, tool_use_id=texts, content=st.lists(texts.map(Text), max_size=3).map(tuple)),
)
messages = st.builds(Message, st.sampled_from(["user", "assistant"]), st.lists(blocks, max_size=3).map(tuple))


def line(redactor: Redactor, messages: list[Message], config: InteractionLogConfig = CONFIG, **request: Any) -> bytes:
    """Return the line of a call with these messages."""
    asked = CompletionRequest(messages=tuple(messages), **request)
    return encode_line(record(request=asked, config=config, secrets=redactor))


@given(st.lists(messages, min_size=1, max_size=4), st.data(), st.booleans(), st.sampled_from([0, 30, 2048]))
def test_a_conversation_reads_the_same_with_and_without_memory(
    conversation: list[Message], data: st.DataObject, include: bool, limit: int
) -> None:
    """Whatever was sent before, in whatever order: a line depends on its own call alone."""
    config = InteractionLogConfig(include_messages=include, truncate_tool_results=limit)
    redactor = Redactor([SECRET])
    copies = msgspec.structs.replace
    again = [copies(message, content=tuple(message.content)) for message in conversation]

    for _ in range(3):
        sent = data.draw(st.lists(st.sampled_from(conversation + again), max_size=5))
        assert line(redactor, sent, config) == line(Redactor([SECRET]), sent, config)


def test_what_was_clean_is_searched_again_once_more_secrets_are_known() -> None:
    """Texts, messages and tools: a key that a command prints later may have been said before."""
    known = SecretSet()
    redactor, said, tools = Redactor(known), [user(f"it is {SECRET}")], (ToolDefinition("look", f"like {SECRET}"),)
    assert line(redactor, said, system=f"say {SECRET}", tools=tools).count(SECRET.encode()) == 3

    known.add([SECRET])

    assert SECRET.encode() not in line(redactor, said, system=f"say {SECRET}", tools=tools)


@given(st.lists(texts, max_size=6))
def test_texts_searched_together_are_searched_as_well_as_alone(said: list[str]) -> None:
    """What is found in each of several texts is what is found in it alone."""
    together, rules = Redactor([SECRET, "a%41b-secret"]).redact(said)

    alone = [Redactor([SECRET, "a%41b-secret"]).redact(text) for text in said]
    assert together == [text for text, _ in alone]
    assert set(rules) == {rule for _, found in alone for rule in found}


def test_an_escape_in_one_text_does_not_hide_a_secret_in_another() -> None:
    """Texts that are searched together are read apart: `%41` elsewhere changes nothing here."""
    hidden = "".join(f"\\u{ord(character):04x}" for character in "pass%41word")

    together, _ = Redactor(["pass%41word"]).redact([hidden, "a URL with %20 in it"])

    assert hidden not in together


def test_a_message_that_can_change_is_looked_at_anew() -> None:
    """Arguments of a tool call that were clean when they were sent first may hold a secret the next time."""
    arguments: dict[str, Any] = {"q": "harmless words"}
    message = Message("assistant", (ToolUse("1", "search", arguments),))
    redactor = Redactor([SECRET])
    assert b"harmless words" in line(redactor, [message])

    arguments["q"] = SECRET

    assert SECRET.encode() not in line(redactor, [message])
    assert b"[redacted:secret:" in line(redactor, [message])


@pytest.mark.parametrize(("field", "values"), SAYING.items())
def test_each_thing_that_was_said_is_searched_by_itself(field: str, values: list[Any]) -> None:
    """A secret is found where there is nothing else to find, in a field as plain as it mostly is or not."""
    plain = said_in(CompletionRequest(messages=()), CallContext(), None, None, model="a-model")
    redactor = Redactor([SECRET])
    assert redactor.are_clean(laid_out(plain))

    for value in values:
        assert not redactor.are_clean(laid_out(msgspec.structs.replace(plain, **{field: value})))


def test_every_thing_that_was_said_has_its_secret() -> None:
    """The test above leaves no field out."""
    assert list(SAYING) == list(Said.__struct_fields__)


def test_what_is_remembered_of_tools_does_not_change_with_them() -> None:
    """Parameters changed after a call show in no later call that sends the old ones."""
    parameters: dict[str, Any] = {"type": "object"}
    redactor = Redactor([SECRET])
    line(redactor, [], tools=(ToolDefinition("search", parameters=parameters),))

    parameters["default"] = SECRET
    later = line(redactor, [], tools=(ToolDefinition("search", parameters={"type": "object"}),))

    assert SECRET.encode() not in later
    assert b'"tools":[{"name":"search","parameters":{"type":"object"}}]' in later
    assert SECRET.encode() not in line(redactor, [], tools=(ToolDefinition("search", parameters=parameters),))


def test_a_value_that_is_not_searched_vouches_for_none_that_is() -> None:
    """Bytes are written as base64 and not searched; a text of the same letters is, in messages and in tools."""
    raw = b"\x00\x10\x83" * 12
    text = msgspec.json.decode(msgspec.json.encode(raw))
    redactor = Redactor([text])

    lines = [
        line(
            redactor,
            [Message("assistant", (ToolUse("1", "t", {"x": value}),))],
            tools=(ToolDefinition("t", parameters={"x": value}),),
        )
        for value in (raw, text)
    ]

    assert [text.encode() in each for each in lines] == [True, False]


def test_a_text_that_claims_to_equal_another_is_searched() -> None:
    """Only a plain text is taken for another one that was clean."""

    class Liar(str):
        __slots__ = ()

        def __eq__(self, other: object) -> bool:
            return True

        def __hash__(self) -> int:
            return hash("all is well here")

    redactor = Redactor([SECRET])
    redactor.redact("all is well here")

    assert redactor.redact(Liar(SECRET))[1] == ["secret"]


@pytest.mark.parametrize(
    "changed",
    [InteractionLogConfig(redact_secrets=True), InteractionLogConfig(redact_secrets=False, truncate_tool_results=5)],
)
def test_another_configuration_remembers_nothing(changed: InteractionLogConfig) -> None:
    """What was made ready under one configuration is made anew under another."""
    redactor = Redactor([SECRET])
    message = Message("user", (ToolResult("1", (Text(SECRET),)),))
    line(redactor, [message], InteractionLogConfig(redact_secrets=False))

    assert line(redactor, [message], changed) == line(Redactor([SECRET]), [message], changed)


def test_the_same_message_is_made_ready_once() -> None:
    """The very same message, or one that reads the same, costs one look."""
    redactor = Redactor()
    first = user("what is new")

    (ready,) = ready_messages((first,), redactor, CONFIG)

    same = ready_messages((first, user("what is new")), redactor, CONFIG)
    assert [one is ready for one in same] == [True, True]
    tools = (ToolDefinition("search"),)
    assert ready_tools((ToolDefinition("search"),), redactor, CONFIG) is ready_tools(tools, redactor, CONFIG)


def test_rules_and_cuts_are_listed_in_every_record() -> None:
    """A secret or a cut in a message that was sent before is named again, at its place of the day."""
    redactor = Redactor([SECRET])
    config = InteractionLogConfig(truncate_tool_results=30)
    result: ContentBlock = ToolResult("1", (Text(SECRET + " and" * 20),))
    message = Message("user", (result,))
    line(redactor, [message], config)

    second = msgspec.json.decode(line(redactor, [user("before"), message], config))

    assert second["redactions"] == ["secret"]
    assert [cut["where"] for cut in second["truncated"]] == ["messages[1].content[0]"]
