"""`--quiet` of every command: what they say beside their answer is left out."""

from __future__ import annotations

import click

__all__ = ["is_quiet", "with_quiet"]

_KEY = "arawn.quiet"


def with_quiet(command: click.Command) -> click.Command:
    """Return `command`, which takes `--quiet` from now on, if it is no group and has none of its own."""
    if not isinstance(command, click.Group) and not any("--quiet" in one.opts for one in command.params):
        command.params.append(
            click.Option(
                ["-q", "--quiet"],
                is_flag=True,
                expose_value=False,
                callback=_remember,
                help="Print nothing but the answer and errors.",
            )
        )
    return command


def is_quiet() -> bool:
    """Say whether the command that runs was asked to be quiet."""
    context = click.get_current_context(silent=True)
    return context is not None and context.meta.get(_KEY, False)


def _remember(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    context.meta[_KEY] = wanted
