"""What is said of calls, from the command line or from a file of many such lines."""

from __future__ import annotations

import math

import msgspec

from arawn.errors import BadInput
from arawn.interactions.feedback import Judgement

__all__ = ["Given", "given", "given_in"]


class Given(msgspec.Struct, frozen=True):
    """What is said of one call: its id, the beginning of one or `latest`; `place` names its line, if it has one."""

    id: str
    judgement: Judgement
    place: str = ""


class _Line(Judgement, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A line of a file: a judgement, and the call that it is of."""

    id: str


def given(interaction: str, label: str, *, value: float | None, note: str | None) -> Given:
    """Return what the command line says.

    Raises:
        BadInput: It cannot be written as it is.
    """
    if value is not None and not math.isfinite(value):
        raise BadInput(f"a value must be a finite number, not {value}")
    if not label:
        raise BadInput("the label is empty; give a word such as `good` or `bad`")
    try:
        return Given(interaction, msgspec.convert({"label": label, "value": value, "note": note}, Judgement))
    except msgspec.ValidationError as error:
        raise BadInput(f"the feedback does not fit: {error}") from error


def given_in(line: bytes, place: str) -> Given:
    """Return what a line of a file says.

    Raises:
        BadInput: It is none of `{"id": …, "label": …}`, with `value` and `note` if they are given.
    """
    try:
        read = msgspec.json.decode(line, type=_Line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        shape = '`{"id": "…", "label": "good", "value": 1, "note": "why"}`, of which value and note may be missing'
        raise BadInput(f"{place}: {error}; a line must be {shape}") from error
    return Given(read.id, Judgement(read.label, read.value, read.note), f"{place}: ")
