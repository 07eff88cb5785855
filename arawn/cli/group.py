"""Groups of commands whose modules are imported only when one of theirs is used, and what every command takes."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Any

import click
from click.types import StringParamType

__all__ = ["LazyGroup", "is_quiet", "with_quiet"]

_MISUSED = 2
_KEY = "arawn.quiet"


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
        return with_quiet(_in_utf8(command))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  # as above
        """Write the listing from the table alone."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in self.places.items()])


def with_quiet(command: click.Command) -> click.Command:
    """Return `command`, which takes `--quiet` from now on, if it is no group and has none of its own."""
    if not isinstance(command, click.Group) and not any("--quiet" in one.opts for one in command.params):
        command.params.append(
            click.Option(
                ["-q", "--quiet"],
                is_flag=True,
                expose_value=False,
                callback=_remember,
                help="Print nothing but the answer, warnings and errors.",
            )
        )
    return command


def is_quiet() -> bool:
    """Say whether the command that runs was asked to be quiet."""
    context = click.get_current_context(silent=True)
    return context is not None and context.meta.get(_KEY, False)


def _remember(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    context.meta[_KEY] = wanted


class _Text(StringParamType):
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ARG002  # click's signature
        from arawn.cli.utf8 import require_utf8  # the first page needs none

        name = param.opts[-1] if isinstance(param, click.Option) else param and param.human_readable_name
        return require_utf8(str(value), f"`{name}`")


def _in_utf8(command: click.Command) -> click.Command:
    """Return `command`, which takes its texts in UTF-8 from now on, and refuses what is none as wrong use."""
    for parameter in command.params:
        if parameter.type is click.STRING:
            parameter.type = _Text()
    return command
