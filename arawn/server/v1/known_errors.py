"""What Arawn knows for certain of a failure, in the words that the clients of each dialect look for. Pure.

Clients act on a code, a type or a phrase: they shorten a conversation that is too long, or stop where no credit is
left. The word of another dialect for it would be passed over.
"""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from arawn.backends.failures import is_spent
from arawn.server.reply import ErrorDetail
from arawn.server.v1.target import DialectName

__all__ = ["CONTEXT_TOO_LONG", "NO_THREADS", "SAID_IN_STREAM", "Word", "word_for"]

CONTEXT_TOO_LONG = "context_length_exceeded"
NO_THREADS = "thread_unsupported_request"
"""By this its SDK knows that nobody holds a conversation here, and sends all of it."""
_NO_CREDIT = "insufficient_quota"
SAID_IN_STREAM = frozenset((CONTEXT_TOO_LONG, _NO_CREDIT))
"""Codes that clients of responses look for in `response.failed`, and not in a refusal."""

_OVERLOADED = frozenset(("overloaded_error", "server_is_overloaded", "slow_down"))

_WINDOW = r"maximum context length is (?P<window>\d+) tokens"
_ANSWER_TOO_LONG = (  # of vLLM, and of OpenAI and whoever took its words
    re.compile(rf"is too large: (?P<answer>\d+).{{1,40}}{_WINDOW} and your request has (?P<prompt>\d+) input"),
    re.compile(rf"{_WINDOW}.{{1,60}}\((?P<prompt>\d+) in the messages, (?P<answer>\d+) in the completion\)"),
)

Meaning = Literal["context_too_long", "no_credit", "overloaded", "rate_limited", "model_not_found", "wrong_key"]


class Word(msgspec.Struct, frozen=True):
    """How a dialect says it: what is None or empty is as it would be without.

    `begins` goes before the message.
    """

    code: str | None = None
    status: int | None = None
    begins: str = ""


_NOTHING = Word()
_WORDS: dict[DialectName, dict[Meaning, Word]] = {
    "openai": {
        "context_too_long": Word(CONTEXT_TOO_LONG, 400),
        "no_credit": Word(_NO_CREDIT),
        "overloaded": Word("server_is_overloaded"),
        "rate_limited": Word("rate_limit_exceeded"),
        "model_not_found": Word("model_not_found"),
        "wrong_key": Word("invalid_api_key"),
    },
    "anthropic": {  # has types, which go by the status
        "context_too_long": Word(status=400, begins="prompt is too long: "),
        "no_credit": Word(status=402),
        "overloaded": Word(status=529),
    },
}


def word_for(detail: ErrorDetail, dialect: DialectName) -> Word:
    """Return how `dialect` says what is known of a failure; an empty word where that is not enough."""
    meaning = _meaning(detail)
    word = _NOTHING if meaning is None else _WORDS[dialect].get(meaning, _NOTHING)
    begins = _answer_too_long(detail.message) if word.begins else None
    return msgspec.structs.replace(word, begins=begins) if begins else word


def _answer_too_long(message: str) -> str | None:
    """Return how Anthropic says that the prompt fits, and only `max_tokens` beside it does not; None if it is not so.

    Its clients then ask for less; told that the prompt is too long they would shorten one that never was.
    """
    found = next((found for words in _ANSWER_TOO_LONG if (found := words.search(message))), None)
    if found is None or int(found["prompt"]) >= int(found["window"]):
        return None
    prompt, answer, window = found.group("prompt", "answer", "window")
    return f"input length and `max_tokens` exceed context limit: {prompt} + {answer} > {window}: "


def _meaning(detail: ErrorDetail) -> Meaning | None:
    if is_spent(detail.status, detail.code):
        return "no_credit"
    match detail.type:
        case "context_too_long" | "rate_limited" | "model_not_found" as meaning:
            return meaning
        case "overloaded" if detail.status == 529 or detail.code in _OVERLOADED:  # any other may have failed otherwise
            return "overloaded"
        case "auth_failed" if detail.status == 401:  # a 403 may be a key that is right
            return "wrong_key"
        case "unauthorized":
            return "wrong_key"
    return None
