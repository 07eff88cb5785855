"""One valid JSON line for any value whatever. Pure.

Rules, for what JSON has no word for:

| value | written as |
| --- | --- |
| NaN, infinities | `null` |
| surrogate pair / lone surrogate in a text | its character / U+FFFD |
| bytes | base64 text |
| integer of more than 4,300 digits, or more than a lower limit of Python's | hexadecimal text |
| key that is no text | its text form (`1`, `None`, `True`, base64 of bytes), else `[unloggable <type>]` |
| key with the text form of one before it | that form and `_2`, `_3`, …; `encode_line` alone does not look for it |
| any other object | `[unloggable <type>]`, never its repr |
| object inside itself, nesting beyond `MAX_DEPTH` | `[cycle]`, `[nested too deeply]` |
| U+0085, U+2028, U+2029 | JSON escapes, since some tools end a line there |
"""

from __future__ import annotations

import re
import sys
from typing import Any

import msgspec

from arawn.interactions.call_ids import distinct_ids

__all__ = [
    "CYCLE",
    "MAX_DEPTH",
    "TOO_DEEP",
    "clean_text",
    "encode_line",
    "encode_strictly",
    "fixed_json",
    "with_text_keys",
]

MAX_DEPTH = 100
TOO_DEEP = "[nested too deeply]"
CYCLE = "[cycle]"
_MOST_DIGITS = 4_300  # readers take no more
_TOO_LARGE = 10**_MOST_DIGITS
_TOO_MANY_DIGITS = re.compile(rb"(?<!\d)\d{%d}" % (_MOST_DIGITS + 1))
_ATOMS = frozenset((str, int, float, bool, type(None)))
_UNENCODABLE = (ValueError, TypeError, RecursionError, OverflowError)  # UnicodeEncodeError is a ValueError
_LINE_ENDS = (
    ("\x85".encode(), b"\\u0085"),
    ("\u2028".encode(), b"\\u2028"),
    ("\u2029".encode(), b"\\u2029"),
)


def _unloggable(value: Any) -> str:
    if value is None or isinstance(value, bool):  # as a key
        return str(value)
    return f"[unloggable {type(value).__name__}]"


_encoder = msgspec.json.Encoder(enc_hook=_unloggable)
_strict_encoder = msgspec.json.Encoder()
_text_keyed_encoder = msgspec.json.Encoder(
    enc_hook=_unloggable, order="sorted"
)  # which takes keys that are texts, and no others


def encode_line(value: Any) -> bytes:
    """Return `value` as JSON in UTF-8, ended by the only newline in it. Raises nothing for any value."""
    try:
        data = _encoder.encode_lines([value])  # a list: msgspec 0.22 leaks 48 bytes for each tuple
        fits = len(data) <= _MOST_DIGITS or not _may_hold_too_long_integers(data)
    except _UNENCODABLE:
        fits = False
    if not fits:
        data = _encoder.encode_lines([_plain(value, ())])
    return _with_one_line_end(data)


def encode_strictly(value: Any) -> bytes | None:
    """Return `value` as `encode_line` does, without the newline; None for a value that JSON has no word for."""
    try:
        data = _strict_encoder.encode(value)
    except _UNENCODABLE:
        return None
    if len(data) > _MOST_DIGITS and _may_hold_too_long_integers(data):
        return None
    return _with_one_line_end(data)


def with_text_keys(value: Any) -> Any:
    """Return `value`; where a dict in it has keys that are no texts, in plain types with a text of its own for each.

    JSON writes the keys `1` and `"1"` alike, and of two equal keys each reader takes the one it likes.
    """
    try:
        _text_keyed_encoder.encode(value)
    except _UNENCODABLE:
        return _plain(value, ())
    return value


def fixed_json(value: Any) -> Any:
    """Return `value` if it is an atom, which never changes, else its JSON, with a text of its own for each key."""
    return value if type(value) in _ATOMS else msgspec.Raw(encode_line(with_text_keys(value))[:-1])


def _may_hold_too_long_integers(data: bytes) -> bool:
    """Look for integers that Python writes only where its own limit is lifted; long texts of digits count as well."""
    is_lifted = not 0 < sys.get_int_max_str_digits() <= _MOST_DIGITS
    return is_lifted and _TOO_MANY_DIGITS.search(data) is not None


def _with_one_line_end(data: bytes) -> bytes:
    if not data.isascii():
        for found, escape in _LINE_ENDS:
            if found[:1] in data and found[-1:] in data:  # a byte is looked for fifty times as fast as three
                data = data.replace(found, escape)
    return data


def clean_text(text: str) -> str:
    """Return `text` with surrogate pairs joined and lone surrogates as U+FFFD."""
    if text.isascii():
        return str(text)
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _plain(value: Any, above: tuple[int, ...]) -> Any:
    """Return `value` in types that the encoder cannot refuse; `above` are the ids of the containers around it."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, (dict, list, tuple, set, frozenset, msgspec.Struct)):
        if id(value) in above:
            return CYCLE
        if len(above) >= MAX_DEPTH:
            return TOO_DEEP
        return _plain_container(value, (*above, id(value)))
    return _plain_scalar(value)


def _plain_container(value: Any, above: tuple[int, ...]) -> Any:
    if isinstance(value, dict):
        keys = distinct_ids([_key(key) for key in value])
        return {key: _plain(item, above) for key, item in zip(keys, value.values(), strict=True)}
    if isinstance(value, msgspec.Struct):
        return {key: _plain(item, above) for key, item in _struct_items(value)}
    return [_plain(item, above) for item in value]


def _struct_items(value: msgspec.Struct) -> list[tuple[str, Any]]:
    """Return the keys and values that the encoder would write for a struct, its tag first."""
    config = value.__struct_config__
    items: list[tuple[str, Any]] = [(config.tag_field, config.tag)] if config.tag_field else []
    for field in msgspec.structs.fields(value):
        item = getattr(value, field.name)
        default = field.default
        if field.default_factory is not msgspec.NODEFAULT:
            default = field.default_factory()
        if not (config.omit_defaults and type(item) is type(default) and item == default):
            items.append((field.encode_name, item))
    return items


def _key(key: Any) -> str:
    """Return the text that the encoder writes for a key, never its repr."""
    if isinstance(key, str):
        return clean_text(key)
    if isinstance(key, int) and abs(key) >= _TOO_LARGE:
        return hex(key)
    try:
        (text,) = msgspec.json.decode(_encoder.encode({key: None}), type=dict[str, None])
    except _UNENCODABLE:
        return hex(key) if isinstance(key, int) else _unloggable(key)
    return text


def _plain_scalar(value: Any) -> Any:
    """Return a value that is no container, or the text that stands for it."""
    if isinstance(value, int) and abs(value) >= _TOO_LARGE:
        return hex(value)
    try:
        _encoder.encode(value)
    except _UNENCODABLE:
        return hex(value) if isinstance(value, int) else _unloggable(value)
    return value
