"""Keys set outside files: `ARAWN_…` environment variables and command-line flags, one layer each. Pure."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import inspect

from arawn.config.layers import Layer, single
from arawn.config.structure import kind_at

__all__ = ["RESERVED", "environment_layers", "flag_layers", "misread"]

PREFIX = "ARAWN_"
_ORIGIN = "environment "
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


def misread(layer: Layer) -> str:
    """Return what to add to what is wrong in the layer of a variable that names no key: the one that may be meant.

    One underscore is often written where two are wanted, and `ARAWN_CONFIG` for what has other names. Nothing is added
    for other layers.
    """
    name = layer.name.removeprefix(_ORIGIN)
    if name == layer.name:
        return ""
    if name.startswith(f"{PREFIX}CONFIG"):
        return " (a file is named by `--config`, the directory of the user's file by `ARAWN_CONFIG_DIR`)"
    path = _leaf(re.split("_+", name.removeprefix(PREFIX).lower()), ())
    meant = f"{PREFIX}{'__'.join(path).upper()}" if path else name
    return "" if meant == name else f" (did you mean `{meant}`?)"


def _leaf(words: Sequence[str], path: tuple[str, ...]) -> tuple[str, ...] | None:
    """Return the path of a key that is no table, made of `words` after `path`; the longest parts are tried first."""
    for length in range(len(words), 0, -1):
        longer = (*path, "_".join(words[:length]))
        kind = kind_at(longer)
        if length == len(words):
            found = None if kind is None or isinstance(kind, inspect.StructType | inspect.DictType) else longer
        else:
            found = None if kind is None else _leaf(words[length:], longer)
        if found is not None:
            return found
    return None


def _variable_layer(name: str, text: str) -> Layer:
    path = name.removeprefix(PREFIX).lower().split("__")
    return single(path, _value(text, path), f"{_ORIGIN}{name}")


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
