"""An answer in the words of each dialect, and a request for a backend of either."""

from __future__ import annotations

import json
from typing import Any

from arawn.config.schema import Config, Profile
from arawn.messages import CompletionResponse, ContentBlock, ToolUse
from arawn.server.v1.anthropic_messages_out import message_body
from arawn.server.v1.openai_chat_out import chat_completion
from arawn.server.v1.responses_in import read_responses
from arawn.server.v1.responses_out import Frame, response_body
from arawn.server.v1.target import Target, choose_target

INVALID = ToolUse("c", "look", invalid_arguments="{oops")


def target(dialect: str | None) -> Target:
    backend = {"openai": "openai", "anthropic": "anthropic", None: "scripted"}[dialect]
    return choose_target("auto", None, Config(profiles={"default": Profile(backend=backend, model="m")}))


def answer(*content: ContentBlock, **more: Any) -> CompletionResponse:
    return CompletionResponse(content=content, model="m", **more)


def chat_of(response: CompletionResponse) -> Any:
    return json.loads(chat_completion(response, answer_id="1", created=2))


def message_of(response: CompletionResponse) -> Any:
    return json.loads(message_body(response, answer_id="1"))


def response_of(response: CompletionResponse) -> Any:
    asked = read_responses(b'{"model": "m", "input": "hi"}').known
    return json.loads(response_body(response, frame=Frame("1", 2, asked)))
