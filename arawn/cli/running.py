"""Runs a command and turns however it ends into an exit code and at most one clear message."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from arawn.cli.root import root
from arawn.cli.streams import INTERRUPTED, complain, end_terminal_line, forget_output, open_missing_streams
from arawn.cli.terminal_text import printable

__all__ = ["main", "run"]


def main() -> None:
    """Run the command line of this process and leave it."""
    open_missing_streams()
    code = run(sys.argv[1:])
    if code == INTERRUPTED:
        end_terminal_line()
    sys.exit(code)


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; every message has been printed by then."""
    try:
        code = root.main(list(arguments), prog_name="arawn", standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader of our output has left, and that is no error
        forget_output()
        return 1
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except click.ClickException as error:
        return _say_misuse(error)
    except Exception as error:  # noqa: BLE001  # the edge of the program: shown, and turned into an exit code
        return _explain(error)
    return code if isinstance(code, int) else 0


def _say_misuse(error: click.ClickException) -> int:
    complain(f"arawn: {error.format_message()}")
    if isinstance(error, click.UsageError) and error.ctx is not None:
        complain(f"try `{error.ctx.command_path} --help`")
    return error.exit_code


def _explain(error: Exception) -> int:
    from arawn.cli.failures import explained

    if os.environ.get("ARAWN_TRACEBACK") == "1":
        import traceback

        click.echo(printable("".join(traceback.format_exception(error)), sys.stderr), err=True, nl=False)
    failure = explained(error)
    for line in failure.lines:
        complain(line)
    if failure.output_lost:
        forget_output()
    return failure.exit_code
