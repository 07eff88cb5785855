"""Groups of commands whose modules are imported only when one of theirs is used."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Any

import click

from arawn.cli.quiet import with_quiet
from arawn.cli.text_arguments import in_utf8

__all__ = ["LazyGroup"]

_MISUSED = 2


class LazyGroup(click.Group):
    """A group that knows its commands by place and one line of help, so that its own help imports none of them."""

    def __init__(self, *args: Any, places: Mapping[str, tuple[str, str]] = MappingProxyType({}), **kwargs: Any) -> None:
        """Set the table of commands.

        Args:
            args: As for `click.Group`.
            places: Name -> `module:attribute` of the command, and the line that the listing shows.
            kwargs: As for `click.Group`.
        """
        super().__init__(*args, **kwargs)
        self.places = places

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Print the help, and end with the code of wrong use, when no command is given and one is needed."""
        if not args and self.no_args_is_help:
            click.echo(ctx.get_help(), err=True)
            ctx.exit(_MISUSED)
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        """Return the names in the order of the table."""
        return list(self.places)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  # as above
        """Import one command."""
        if cmd_name not in self.places:
            return None
        module, _, attribute = self.places[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return with_quiet(in_utf8(command))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  # as above
        """Write the listing from the table alone."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in self.places.items()])
