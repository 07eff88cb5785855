"""The script of a `scripted` backend: a file of steps, checked whole before the first call."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from arawn.errors import ConfigError
from arawn.messages import Usage

__all__ = ["ECHO", "ScriptedCall", "ScriptedFault", "Step", "load_script"]

Seconds = Annotated[float, Meta(ge=0, le=86_400)]


class ScriptedCall(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A tool call to make; without an id it gets one from the number of the call."""

    name: str
    arguments: dict[str, Any] = {}
    invalid_arguments: str | None = None
    id: str | None = None


class ScriptedFault(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An error to answer with, as a provider with this HTTP status would."""

    status: Annotated[int, Meta(ge=400, le=599)] = 500
    code: str | None = None
    message: str = "scripted error"
    retry_after_s: Seconds | None = None


class Step(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one call gets.

    Attributes:
        text: None with nothing else to say echoes the last user text.
        thinking, tool_calls, usage, stop_reason: Parts of the answer; usage is counted in words unless given.
        delay_s: Wait before the first word or the error.
        token_delay_s: Wait between the words of a stream.
        error: Answer with this instead.
        cut_after: Break off after this many words of text and thinking.
        hang: Never answer; with `cut_after`, fall silent there instead of breaking off.

    """

    text: str | None = None
    thinking: str | None = None
    tool_calls: tuple[ScriptedCall, ...] = ()
    usage: Usage | None = None
    stop_reason: str | None = None
    delay_s: Seconds = 0.0
    token_delay_s: Seconds = 0.0
    error: ScriptedFault | None = None
    cut_after: Annotated[int, Meta(ge=0)] | None = None
    hang: bool = False


class _Script(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    steps: Annotated[tuple[Step, ...], Meta(min_length=1)]


ECHO = (Step(),)
"""The script of a profile without one."""


def load_script(profile_name: str, file: str) -> tuple[Step, ...]:
    """Return the steps of a TOML or JSON file, which are used in order, over and over.

    Raises:
        ConfigError: The file cannot be read or holds something else; the message names the place.
    """
    path = Path(file).expanduser()
    place = f"{path}: script of profile `{profile_name}`"
    try:
        text = path.read_text("utf-8")
        value = msgspec.json.decode(text) if path.suffix == ".json" else tomllib.loads(text)
        return msgspec.convert(value, _Script).steps
    except OSError as error:
        raise ConfigError([f"{place}: cannot be read ({error.strerror}); give the path of a file"]) from error
    except ValueError as error:  # not UTF-8, not TOML or JSON, or not this shape
        accepted = "a list `steps` of tables with " + ", ".join(f"`{key}`" for key in Step.__struct_fields__)
        raise ConfigError([f"{place}: {error}; what is accepted is {accepted}"]) from error
