"""`arawn interactions feedback`: says what a call was worth."""

from __future__ import annotations

import math
import os
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from urllib.parse import quote

import click
import msgspec
import trio

from arawn.cli.interactions_show import found
from arawn.cli.interrupts import Interrupts, run_async
from arawn.cli.log_reading import required_log
from arawn.cli.options import config_option, json_option
from arawn.cli.output import note, print_json
from arawn.cli.settings import configured
from arawn.config.paths import socket_path
from arawn.interactions.feedback import Judgement, append_feedback, feedback_line
from arawn.interactions.reader import LogReader
from arawn.interactions.record import FeedbackLine

__all__ = ["feedback"]

_SHOWN = ("interaction_id", "label", "value", "note", "timestamp")  # the line's number comes when it is written


@click.command()
@click.argument("interaction", metavar="ID")
@click.argument("label")
@click.option("--value", type=float, help="A number, such as 1 or -0.5.")
@click.option("--note", "text", metavar="TEXT", help="Why, in words.")
@json_option
@config_option
def feedback(
    interaction: str, label: str, *, value: float | None, text: str | None, as_json: bool, config_file: Path | None
) -> None:
    """Add a label such as `good` or `bad` to a call; `show`, `sql` and the export `router` have it.

    ID is the call's id, the beginning of it that no other has, or `latest`. Goes through the daemon when one runs.
    """
    if value is not None and not math.isfinite(value):
        raise click.UsageError(f"a value must be a finite number, not {value}")
    if not label:
        raise click.UsageError("the label is empty; give a word such as `good` or `bad`")
    try:
        judgement = msgspec.convert({"label": label, "value": value, "note": text}, Judgement)
    except msgspec.ValidationError as error:
        raise click.UsageError(f"the feedback does not fit: {error}") from error
    if interaction == "latest":
        interaction = found(LogReader(required_log(config_file), on_damage=lambda _: None), interaction).head.id
    written = run_async(partial(_give, config_file, interaction, judgement))
    if as_json:
        print_json({name: getattr(written, name) for name in _SHOWN})
    else:
        note(f"`{written.label}` is noted for {written.interaction_id}")


async def _give(config_file: Path | None, interaction: str, judgement: Judgement, _: Interrupts) -> FeedbackLine:
    """Have the daemon write it if one runs, else write it here."""
    from arawn.backends.secret_values import secret_values
    from arawn.cli.daemon_client import find_daemon

    config = configured(config_file)
    async with find_daemon(socket_path(config, os.environ)) as daemon:
        if daemon is not None:
            path = f"/interactions/{quote(interaction, safe='')}/feedback"
            return msgspec.json.decode(await daemon.call("POST", path, judgement), type=FeedbackLine)
    log, directory = config.logging.interactions, required_log(config_file)

    def write() -> FeedbackLine:
        secrets = secret_values(config.profiles, os.environ)
        line = feedback_line(directory, interaction, judgement, at=datetime.now(UTC), config=log, secrets=secrets)
        append_feedback(directory, line, log)
        return line

    return await trio.to_thread.run_sync(write)
