"""Reading of what is not content: a count or a name of another type never costs an answer. Pure."""

from __future__ import annotations

from typing import Any

__all__ = ["Lenient"]

_MOST_DIGITS = 18


class Lenient:
    """Reads the fields beside the content; `warnings` holds one sentence for each kind that could not be read."""

    def __init__(self) -> None:
        self.warnings: dict[str, None] = {}  # in order, each once

    def whole(self, value: Any, name: str) -> int | None:
        """Return a whole number, also one written as a float or as decimal text; None for anything else."""
        if value is None or type(value) is int:  # a bool is none
            return value
        if isinstance(value, float) and value.is_integer():
            return int(value)
        if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= _MOST_DIGITS:
            return int(value)
        self.left_out(value, name, "a whole number")
        return None

    def count(self, value: Any, name: str) -> int | None:
        """Return a whole number of 0 or more, in the forms of `whole`; None for anything else."""
        number = self.whole(value, name)
        if number is None or number >= 0:
            return number
        self.warnings[f"`{name}` was left out of the answer: it is below 0, which no count is"] = None
        return None

    def word(self, value: Any, name: str) -> str | None:
        """Return a text, also of a whole number; None for anything else."""
        if isinstance(value, str) or value is None:
            return value
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        self.left_out(value, name, "a text")
        return None

    def fields(self, value: Any, name: str) -> dict[str, Any]:
        """Return an object; an empty one for anything else."""
        if isinstance(value, dict):
            return value
        if value is not None:
            self.left_out(value, name, "an object")
        return {}

    def left_out(self, value: Any, name: str, right: str) -> None:
        """Warn that `value` could not be read; `right` says what it should have been."""
        self.warnings[f"`{name}` was left out of the answer: it is of type {type(value).__name__}, not {right}"] = None
