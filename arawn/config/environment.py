"""Keys set outside files: `ARAWN_…` environment variables and command-line flags, one layer each. Pure."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import Any

from msgspec import inspect

from arawn.config.layers import Layer, single
from arawn.config.structure import kind_at

__all__ = ["RESERVED", "environment_layers", "flag_layers"]

PREFIX = "ARAWN_"
RESERVED = frozenset({"ARAWN_CONFIG_DIR", "ARAWN_RUNTIME_DIR", "ARAWN_STATE_DIR", "ARAWN_TOKEN", "ARAWN_TRACEBACK"})


def environment_layers(environ: Mapping[str, str]) -> list[Layer]:
    """Return one layer for each `ARAWN_…` variable that names a key, in the order of their names.

    `ARAWN_LLM__MODEL` sets `llm.model`: two underscores stand between the parts of a key path, and the name is
    lower-cased. The text is read as a TOML value if it is one and the key does not want a string.
    """
    names = sorted(name for name in environ if name.startswith(PREFIX) and name not in RESERVED)
    return [_variable_layer(name, environ[name]) for name in names]


def flag_layers(flags: Mapping[str, object]) -> list[Layer]:
    """Return one layer for each flag, given as dotted key path and value; None means that the flag was not used."""
    return [
        single(key.split("."), value, f"flag --{key.rpartition('.')[2].replace('_', '-')}")
        for key, value in flags.items()
        if value is not None
    ]


def _variable_layer(name: str, text: str) -> Layer:
    path = name.removeprefix(PREFIX).lower().split("__")
    return single(path, _value(text, path), f"environment {name}")


def _value(text: str, path: list[str]) -> Any:
    """Return `text` as the TOML value it spells, or as it is.

    A key that wants a string takes `2024` and `true` as they are, but still sheds the quotes of `"2024"`.
    """
    try:
        document = tomllib.loads(f"value = {text}")
    except ValueError:
        return text
    value = document.pop("value")
    wants_string = isinstance(kind_at(path), inspect.StrType | inspect.LiteralType)
    if document or (wants_string and not isinstance(value, str)):  # the text spells more than a value, or no string
        return text
    return value
