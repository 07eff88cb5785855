"""The published shapes of the training formats, as JSON Schema."""

from __future__ import annotations

from typing import Any

import jsonschema

from arawn.interactions.export.rules import Format

_TEXT = {"type": "string"}
_WEIGHT = {"enum": [0, 1]}
_CALL = {
    "type": "object",
    "properties": {
        "id": _TEXT,
        "type": {"const": "function"},
        "function": {
            "type": "object",
            "properties": {"name": _TEXT, "arguments": _TEXT},
            "required": ["name", "arguments"],
            "additionalProperties": False,
        },
    },
    "required": ["id", "type", "function"],
    "additionalProperties": False,
}
_TOOL = {
    "type": "object",
    "properties": {
        "type": {"const": "function"},
        "function": {
            "type": "object",
            "properties": {"name": _TEXT, "description": _TEXT, "parameters": {"type": "object"}},
            "required": ["name", "parameters"],
            "additionalProperties": False,
        },
    },
    "required": ["type", "function"],
    "additionalProperties": False,
}
_PART = {
    "oneOf": [
        {
            "type": "object",
            "properties": {"type": {"const": "text"}, "text": _TEXT},
            "required": ["type", "text"],
            "additionalProperties": False,
        },
        {
            "type": "object",
            "properties": {
                "type": {"const": "image_url"},
                "image_url": {"type": "object", "properties": {"url": _TEXT}, "required": ["url"]},
            },
            "required": ["type", "image_url"],
            "additionalProperties": False,
        },
    ]
}


def _message(role: str, required: list[str], **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {"role": {"const": role}, **properties},
        "required": ["role", *required],
        "additionalProperties": False,
    }


_OPENAI_CHAT: dict[str, Any] = {
    "type": "object",
    "properties": {
        "messages": {
            "type": "array",
            "minItems": 2,
            "items": {
                "oneOf": [
                    _message("system", ["content"], content=_TEXT),
                    _message("user", ["content"], content={"oneOf": [_TEXT, {"type": "array", "items": _PART}]}),
                    _message("assistant", ["content"], content=_TEXT, weight=_WEIGHT),
                    _message(
                        "assistant",
                        ["tool_calls"],
                        content={"type": ["string", "null"]},
                        tool_calls={"type": "array", "items": _CALL, "minItems": 1},
                        weight=_WEIGHT,
                    ),
                    _message("tool", ["content", "tool_call_id"], content=_TEXT, tool_call_id=_TEXT),
                ]
            },
        },
        "tools": {"type": "array", "items": _TOOL, "minItems": 1},
        "parallel_tool_calls": {"type": "boolean"},
    },
    "required": ["messages"],
    "dependentRequired": {"parallel_tool_calls": ["tools"]},
    "additionalProperties": False,
}

_TRL: dict[str, Any] = {
    "type": "object",
    "properties": {
        "messages": {
            "type": "array",
            "minItems": 2,
            "items": {
                "type": "object",
                "properties": {
                    "role": {"enum": ["system", "user", "assistant", "tool"]},
                    "content": {"type": ["string", "null"]},
                    "tool_calls": {"oneOf": [{"type": "null"}, {"type": "array", "items": _CALL, "minItems": 1}]},
                    "tool_call_id": {"type": ["string", "null"]},
                    "name": {"type": ["string", "null"]},
                },
                "required": ["role", "content", "tool_calls", "tool_call_id", "name"],
                "additionalProperties": False,
            },
        },
        "tools": {"type": ["string", "null"]},
        "id": _TEXT,  # a column of our own, which trainers leave alone
    },
    "required": ["messages", "tools", "id"],
    "additionalProperties": False,
}

_SHAREGPT: dict[str, Any] = {
    "type": "object",
    "properties": {
        "conversations": {
            "type": "array",
            "minItems": 2,
            "items": {
                "type": "object",
                "properties": {"from": {"enum": ["human", "gpt", "function_call", "observation"]}, "value": _TEXT},
                "required": ["from", "value"],
                "additionalProperties": False,
            },
        },
        "system": _TEXT,
        "tools": _TEXT,
        "id": _TEXT,
    },
    "required": ["conversations", "system", "tools", "id"],
    "additionalProperties": False,
}

_VALIDATORS = {
    name: jsonschema.Draft202012Validator(schema)
    for name, schema in (("openai-chat", _OPENAI_CHAT), ("trl", _TRL), ("sharegpt", _SHAREGPT))
}
SHAPES: list[Format] = ["openai-chat", "sharegpt", "trl"]


def require_shape(row: object, export_format: Format) -> None:
    """Fail unless the row has the published shape."""
    _VALIDATORS[export_format].validate(row)
