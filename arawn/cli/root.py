"""The command `arawn` itself: its table of commands, and the page it prints when it is called alone."""

from __future__ import annotations

import click

from arawn.cli.group import LazyGroup

__all__ = ["root"]

_PAGE = """\
Arawn shares named LLM backends among long-lived conversations and writes every call to a log.

  arawn ask "why is the sky blue?"        one question; `cat notes.txt | arawn ask summarise` works too
  arawn chat                              a conversation that is still there tomorrow
  arawn start                             the daemon, for programs and for many conversations at once
  arawn interactions list                 what was said; `arawn interactions show latest` shows all of it
  arawn init                              a first configuration file, with comments
  arawn config show                       what is configured, and where

`arawn --help` lists every command, `arawn COMMAND --help` explains one.
"""

_PLACES = {
    "ask": ("arawn.cli.ask:ask", "Ask one question and print the answer as it comes."),
    "chat": ("arawn.cli.chat:chat", "Hold a conversation that survives restarts."),
    "start": ("arawn.cli.start:start", "Run the daemon in the foreground."),
    "stop": ("arawn.cli.stop:stop", "Stop the running daemon and wait until it is gone."),
    "status": ("arawn.cli.status:status", "Show how the running daemon is."),
    "doctor": ("arawn.cli.doctor:doctor", "Check everything that could keep Arawn from working."),
    "reload": ("arawn.cli.reload:reload", "Have the running daemon read its configuration again."),
    "init": ("arawn.cli.init:init", "Write a first configuration file."),
    "config": ("arawn.cli.config:config", "Show and check the configuration."),
    "backends": ("arawn.cli.backends:backends", "List and test the profiles."),
    "workstreams": ("arawn.cli.workstreams:workstreams", "List, show and change conversations."),
    "route": ("arawn.cli.route:route", "Explain, try out and train the choice of profiles."),
    "interactions": ("arawn.cli.interactions:interactions", "Read the interaction log."),
}


def _print_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if not wanted:
        return
    from arawn.version import VERSION

    click.echo(f"arawn {VERSION}")
    ctx.exit()


_METAVAR = "[COMMAND] [ARGS]..."  # versions of click differ in it


@click.group(cls=LazyGroup, places=_PLACES, invoke_without_command=True, subcommand_metavar=_METAVAR)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Print the version."
)
@click.pass_context
def root(ctx: click.Context) -> None:
    """Share named LLM backends among long-lived conversations, and log every call.

    Exit codes: 0 done, 1 what was asked for failed, 2 wrong use or wrong configuration, 130 interrupted.
    """
    if ctx.invoked_subcommand is None:
        click.echo(_PAGE, nl=False)
