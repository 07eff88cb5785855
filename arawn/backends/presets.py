"""Every backend kind as one row: its dialect, its address, its key. Pure data."""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = ["PRESETS", "Preset"]


class Preset(msgspec.Struct, frozen=True):
    """What a backend kind settles by itself.

    Attributes:
        dialect: None when the kind speaks none (`scripted`) or the profile must name one (`custom`).
        base_url: None when the profile must give one or none is needed.
        key_env: The environment variable that usually holds the key.
        bearer: Whether the key is sent as `Authorization: Bearer`, else in the dialect's own header.
        needs_key: Whether the backend is of no use without a key.
        max_tokens_field: The OpenAI dialect's name for the limit; newer OpenAI models refuse `max_tokens`, other
            servers know nothing else.
        reasoning_field: Where the server says its reasoning and wants it back, if that is known.

    """

    dialect: Literal["openai", "anthropic"] | None
    base_url: str | None = None
    key_env: str | None = None
    bearer: bool = True
    needs_key: bool = True
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    reasoning_field: Literal["reasoning_content", "reasoning"] | None = None


PRESETS: dict[str, Preset] = {
    "anthropic": Preset("anthropic", "https://api.anthropic.com", "ANTHROPIC_API_KEY", bearer=False),
    "claude-oauth": Preset("anthropic", "https://api.anthropic.com", "ANTHROPIC_AUTH_TOKEN"),
    "openai": Preset("openai", "https://api.openai.com/v1", "OPENAI_API_KEY", max_tokens_field="max_completion_tokens"),
    "groq": Preset("openai", "https://api.groq.com/openai/v1", "GROQ_API_KEY"),
    "ollama": Preset("openai", "http://127.0.0.1:11434/v1", needs_key=False),
    "openrouter": Preset("openai", "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY"),
    "gemini": Preset("openai", "https://generativelanguage.googleapis.com/v1beta/openai", "GEMINI_API_KEY"),
    "mistral": Preset("openai", "https://api.mistral.ai/v1", "MISTRAL_API_KEY"),
    "deepseek": Preset(
        "openai", "https://api.deepseek.com/v1", "DEEPSEEK_API_KEY", reasoning_field="reasoning_content"
    ),
    "together": Preset("openai", "https://api.together.xyz/v1", "TOGETHER_API_KEY"),
    "xai": Preset("openai", "https://api.x.ai/v1", "XAI_API_KEY"),
    "custom": Preset(None, needs_key=False),
    "local": Preset("openai", needs_key=False),
    "scripted": Preset(None, needs_key=False),
}
