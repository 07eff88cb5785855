"""The routes under `/v1`, by method and path."""

from __future__ import annotations

import time
from functools import partial

import msgspec

from arawn.runtime_door import Runtime
from arawn.server.call import Call, Route
from arawn.server.v1.answering import Question, answer, as_said, target_of, translated
from arawn.server.v1.anthropic_messages_in import read_messages, translate_messages
from arawn.server.v1.anthropic_messages_out import message_body
from arawn.server.v1.anthropic_stream import MessageEvents
from arawn.server.v1.models import MODEL, list_models, show_model
from arawn.server.v1.openai_chat_in import read_chat, translate_chat
from arawn.server.v1.openai_chat_out import chat_completion
from arawn.server.v1.openai_stream import ChatChunks
from arawn.server.v1.origin import origin_of
from arawn.server.v1.passthrough import count_tokens, embed
from arawn.server.v1.responses_in import as_heard, read_responses, translate_responses
from arawn.server.v1.responses_out import Frame, response_body
from arawn.server.v1.responses_stream import ResponseEvents

__all__ = ["v1_routes"]


def v1_routes(runtime: Runtime) -> dict[tuple[str, str], Route]:
    """Return the routes by method and path."""
    return {
        ("POST", "/v1/chat/completions"): partial(_chat_completions, runtime),
        ("POST", "/v1/responses"): partial(_responses, runtime),
        ("POST", "/v1/messages"): partial(_messages, runtime),
        ("POST", "/v1/messages/count_tokens"): partial(count_tokens, runtime),
        ("POST", "/v1/embeddings"): partial(embed, runtime),
        ("GET", "/v1/models"): partial(list_models, runtime),
        ("GET", MODEL): partial(show_model, runtime),
    }


async def _chat_completions(runtime: Runtime, call: Call) -> None:
    sent = await call.read_body()
    body = read_chat(sent)
    chat = body.known
    origin = origin_of(call.headers)
    target = await target_of(runtime, origin, chat.model)
    said = translate_chat(body, target)
    request = as_said(said, "openai", sent, call)
    created = int(time.time())
    events = None
    if chat.stream:
        events = ChatChunks(
            answer_id=call.request_id, created=created, model=target.shown_model, with_usage=chat.wants_usage
        )
    whole = partial(chat_completion, answer_id=call.request_id, created=created)
    question = Question("openai", request, target, origin, said.ignored, whole, events, not_offered=said.not_offered)
    await answer(runtime, call, question)


async def _responses(runtime: Runtime, call: Call) -> None:
    body = read_responses(await call.read_body())
    origin = origin_of(call.headers)
    target = await target_of(runtime, origin, body.known.model)
    said = translate_responses(body, target)
    frame = Frame(call.request_id, int(time.time()), as_heard(body.known, said.ignored), said.tools)
    events = ResponseEvents(frame, target.shown_model) if body.known.stream else None
    whole = partial(response_body, frame=frame)
    question = Question("openai", translated(said), target, origin, said.ignored, whole, events)
    question = msgspec.structs.replace(question, translated=True, not_offered=said.not_offered)
    await answer(runtime, call, question)


async def _messages(runtime: Runtime, call: Call) -> None:
    sent = await call.read_body()
    body = read_messages(sent)
    origin = origin_of(call.headers)
    target = await target_of(runtime, origin, body.known.model)
    said = translate_messages(body, target)
    request = as_said(said, "anthropic", sent, call)
    events = None
    if body.known.stream:
        signed = target.dialect == "anthropic" or not target.common
        events = MessageEvents(answer_id=call.request_id, model=target.shown_model, signed=signed)
    whole = partial(message_body, answer_id=call.request_id)
    question = Question("anthropic", request, target, origin, said.ignored, whole, events, not_offered=said.not_offered)
    await answer(runtime, call, question)
