"""Texts on the command line are UTF-8, whatever the locale is; names of files stay the bytes that they are."""

from __future__ import annotations

from typing import Any

import click
from click.types import StringParamType

__all__ = ["in_utf8"]


class _Text(StringParamType):
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ARG002  # click's signature
        from arawn.cli.utf8 import require_utf8  # the first page needs none

        name = param.opts[-1] if isinstance(param, click.Option) else param and param.human_readable_name
        return require_utf8(str(value), f"`{name}`")


def in_utf8(command: click.Command) -> click.Command:
    """Return `command`, which takes its texts in UTF-8 from now on, and refuses what is none as wrong use."""
    for parameter in command.params:
        if parameter.type is click.STRING:
            parameter.type = _Text()
    return command
