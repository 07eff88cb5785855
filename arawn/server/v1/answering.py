"""One call in another program's dialect: ask the runtime, answer whole or as events."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import accumulate
from typing import Any
from urllib.parse import quote

import msgspec

from actors.errors import ActorError
from arawn.backends.verbatim import Verbatim, VerbatimMessages
from arawn.backends.verbatim_reply import ProviderAnswer, VerbatimResponse, bytes_of
from arawn.errors import BackendError, ContextTooLong
from arawn.messages import Begun, CompletionRequest, CompletionResponse, RoutingMetadata, StreamEvent
from arawn.runtime_door import Runtime
from arawn.server.call import Call
from arawn.server.reply import Headers, Refused, Reply, error_body, error_reply, routing_headers
from arawn.server.streaming import EventEncoder, answer_with_events
from arawn.server.v1.body import Translated
from arawn.server.v1.envelope import provider_error, request_id_header
from arawn.server.v1.known_errors import CONTEXT_TOO_LONG, SAID_IN_STREAM, word_for
from arawn.server.v1.origin import Origin
from arawn.server.v1.target import DialectName, Target, choose_target, hinted

__all__ = ["Question", "answer", "as_said", "target_of", "translated"]

_FORWARDED = (b"anthropic-version", b"anthropic-beta", b"openai-beta")
_RETURNED = ("retry-after", "retry-after-ms", "x-should-retry")
_IGNORED_BYTES = 1024  # clients refuse heads of 8 kB


class Question(msgspec.Struct, frozen=True):
    """What was asked in a dialect, and how to answer in it.

    `whole` makes the body of a plain answer; with `events` it is streamed instead. With `translated` no provider speaks
    just this dialect. `not_offered` are the kinds of tools that the model does not get to know of.
    """

    dialect: DialectName
    request: CompletionRequest
    target: Target
    origin: Origin
    ignored: tuple[str, ...]
    whole: Callable[[CompletionResponse], bytes]
    events: EventEncoder | None = None
    translated: bool = False
    not_offered: tuple[str, ...] = ()


async def target_of(runtime: Runtime, origin: Origin, model: str) -> Target:
    """Return where a request for `model` goes; the store is asked only for the binding of a workstream that decides.

    Raises:
        Refused, UnknownProfile: As `choose_target`.
        StoreFailed: The binding cannot be read.

    Checkpoint: only if a binding is read. If cancelled: nothing has changed.
    """
    bound = None
    if origin.workstream is not None and hinted(model, origin.profile, runtime.config) is None:
        bound = await runtime.binding(origin.workstream)
    return choose_target(model, origin.profile, runtime.config, bound)


def as_said(
    said: Translated, dialect: DialectName, body: bytes, call: Call, path: str | None = None
) -> CompletionRequest:
    """Return a request with the bytes that said it, for a provider that speaks `dialect` too.

    Args:
        said: The same in the neutral form.
        dialect, body: How it was said.
        call: Its headers and its query are the dialect's own.
        path: The provider's endpoint, if its answers are no completions.
    """
    headers = {name: call.headers[name] for name in _FORWARDED if name in call.headers}
    verbatim = Verbatim(dialect, body, headers, call.query, path)
    return _beside(said, verbatim)


def translated(said: Translated) -> CompletionRequest:
    """Return a request that no provider can get as it was said, with the names of what none is told."""
    return _beside(said, None)


def _beside(said: Translated, verbatim: Verbatim | None) -> CompletionRequest:
    messages = VerbatimMessages.of(said.request.messages, verbatim, said.ignored)
    return msgspec.structs.replace(said.request, messages=messages)


async def answer(runtime: Runtime, call: Call, question: Question) -> None:
    """Answer one question; a client that leaves cancels the call to the model.

    Raises:
        ArawnError, ActorError: The call failed before anything was sent.
        Refused: The provider refused it, in the dialect of the client and so in its own words.
        ClientLeft: There is nobody to answer.

    Checkpoint: always. If cancelled: the call to the model is cancelled.
    """
    work = _answer_whole if question.events is None else _answer_with_events
    try:
        await call.beside_client(partial(work, runtime, call, question))
    except BackendError as error:
        reply = _refusal_as_received(error, question)
        if reply is None:
            raise
        raise Refused(reply) from error
    except ActorError as error:  # such as a full mailbox
        raise Refused(error_reply(error, None if question.target.open else question.target.routing)) from error


async def _answer_whole(runtime: Runtime, call: Call, question: Question) -> None:
    response = await runtime.complete(question.request, **_context(question))
    record_id = response.interaction_id or call.request_id
    if isinstance(response, VerbatimResponse):
        body, unsaid = response.raw, response.left_out
    else:
        body, unsaid = question.whole(response), _unsaid(question, response.left_out)
    headers = _headers(question, unsaid, response.routing, record_id)
    await call.respond(Reply(200, body, headers, request_id=record_id))


async def _answer_with_events(runtime: Runtime, call: Call, question: Question) -> None:
    assert question.events is not None
    stream = runtime.stream(question.request, **_context(question))
    head = partial(_stream_head, question)
    try:
        await answer_with_events(call, stream, question.events, head)
    except BackendError as error:
        if call.streaming or not _is_said_in_stream(error, question):
            raise
        call.request_id = error.interaction_id or call.request_id
        said = question.events.fail(error, call.request_id)
        await call.send_events(said, head(call.request_id, None, Begun("", routing=error.routing)))
        await call.end_events()


def _is_said_in_stream(error: BackendError, question: Question) -> bool:
    """Say whether clients of responses understand a refusal only where OpenAI makes it: in the stream, after a 200."""
    return question.translated and word_for(error_body(error).error, question.dialect).code in SAID_IN_STREAM


def _unsaid(question: Question, left_out: Sequence[str]) -> tuple[str, ...]:
    """Return what is ignored, and what its provider was not told, each once."""
    return tuple(dict.fromkeys((*question.ignored, *left_out)))


def _stream_head(question: Question, request_id: str, first: StreamEvent | None, begun: Begun) -> Headers:
    """Return the headers of a stream that begins with `first`, or with a sign of life.

    Before its first event nobody knows which profile `[routing]` chooses, so it is not named, and nothing is called
    unsaid then.
    """
    said = question.target.open if first is None else bytes_of(first) is not None
    unsaid = begun.left_out if said else _unsaid(question, begun.left_out)
    return _headers(question, unsaid, begun.routing, request_id)


def _refusal_as_received(error: BackendError, question: Question) -> Reply | None:
    """Return the provider's own refusal, if it was made in the client's dialect: so its client knows the shape.

    Servers refuse in many shapes. Where the request was translated, only the shape of the dialect itself passes, and
    of a conversation that is too long only the code that its clients look for.
    """
    said = error.__cause__
    if not isinstance(said, ProviderAnswer) or said.dialect != question.dialect:
        return None
    if question.translated:
        words = provider_error(error, said.dialect) or {}
        unknown = isinstance(error, ContextTooLong) and words.get("code") != CONTEXT_TOO_LONG
        if unknown or not isinstance(words.get("message"), str):
            return None
    given = {name.encode(): _raw(said.headers[name]) for name in _RETURNED if name in said.headers}
    ours = {name: value for name, value in error_reply(error).headers if name != b"retry-after"}
    content_type = _raw(said.headers.get("content-type", "application/json"))
    headers = tuple((given | ours).items())
    return Reply(said.status, said.body, headers, content_type, error.interaction_id, as_received=True)


def _raw(value: str) -> bytes:
    return value.encode("latin-1", "replace")


def _context(question: Question) -> dict[str, Any]:
    """Return the keywords of the runtime that say which profile is asked, and on whose behalf."""
    origin = question.origin
    named = {"session_id": origin.session_id, "workstream": origin.workstream}
    tags = origin.tags
    if question.not_offered and (question.translated or question.target.common):  # else nobody knows before the choice
        tags = {**tags, "tools_not_offered": _listed(question.not_offered).decode()}
    return {"profile": question.target.hint, "tags": tags, **named}


def _headers(question: Question, unsaid: tuple[str, ...], routing: RoutingMetadata | None, request_id: str) -> Headers:
    """Return the headers of an answer: who gives it, why, and what of the request was left unsaid."""
    chosen = routing or (None if question.target.open else question.target.routing)
    headers = [*routing_headers(chosen), *request_id_header(question.dialect, request_id)]
    if unsaid:
        headers.append((b"x-arawn-ignored", _listed(unsaid)))
    return headers


def _listed(names: tuple[str, ...]) -> bytes:
    """Return the names, as many as fit into a header, and the number of the others."""
    quoted = [quote(name) for name in names]
    ends = accumulate(len(name) + len(", ") for name in quoted)
    shown = [name for name, end in zip(quoted, ends, strict=True) if end <= _IGNORED_BYTES]
    left = len(names) - len(shown)
    return ", ".join([*shown, f"and {left} more"] if left else shown).encode()
