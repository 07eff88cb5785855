"""`arawn interactions export`: the log as other tools want it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click
import msgspec

from arawn.cli.log_filters import filter_options, filters_of, judged_aloud, label_option
from arawn.cli.log_reading import ProgressLine, Reader, required_log
from arawn.cli.options import config_option, configured, json_option
from arawn.cli.output import note, print_json, print_json_line, warn_of
from arawn.errors import BadInput
from arawn.interactions.counted import counted
from arawn.interactions.export.destination import Destination, remove_left, require_place, unfinished
from arawn.interactions.export.export import Order, export
from arawn.interactions.export.manifest import ExportManifest
from arawn.interactions.export.parquet import ParquetRows, newest_day, require_duckdb
from arawn.interactions.export.rows import LineRows, RowWriter
from arawn.interactions.export.rules import CHOICES, CONVERSATION_FORMATS, FORMATS, Choice, Format, chosen_drops

__all__ = ["export_interactions"]

_STDOUT = "-"
_TELL_EVERY = 64  # calls

Write = Callable[[RowWriter], ExportManifest]


@click.command("export", cls=Reader)
@click.option("-f", "--format", "export_format", required=True, type=click.Choice(FORMATS), help="What rows look like.")
@click.option(
    "-o",
    "--output",
    type=click.Path(),
    metavar="PATH",
    help="File to write (for parquet a directory); `-` is stdout, without a manifest. Without it, interactions-FORMAT"
    " here, with .jsonl behind a file.",
)
@click.option("--per-call", is_flag=True, help="A row for each call, where the format has one for each conversation.")
@click.option("--keep", multiple=True, type=click.Choice(CHOICES), help="Keep rows for which this holds.")
@click.option("--drop", multiple=True, type=click.Choice(CHOICES), help="Drop rows for which this holds.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Take the first N calls alone, oldest first.")
@click.option("--overwrite", is_flag=True, help="Replace an export that is there.")
@filter_options
@label_option
@json_option
@config_option
def export_interactions(
    *,
    export_format: Format,
    output: str | None,
    per_call: bool,
    keep: tuple[Choice, ...],
    drop: tuple[Choice, ...],
    limit: int | None,
    overwrite: bool,
    as_json: bool,
    config_file: Path | None,
    **options: Any,
) -> None:
    """Write calls for other tools, and a manifest beside them.

    \b
    parquet      a row a call, a directory a day, typed columns, bodies as JSON
    jsonl        a line a call, as logged, results of tools joined
    openai-chat  a line a conversation, for fine-tuning over the OpenAI API
    trl          a line a conversation, for TRL: messages, tools as JSON text, id
    sharegpt     a line a conversation: conversations, system, tools, id
    router       a line a routed call: prompt, features, choice, outcome, feedback

    A conversation is written once, as its last call had it. Of the three formats for training, conversations are
    dropped that have no whole answer at their end, or in which a tool's result was cut or a secret redacted: `--keep
    cut_answer`, `--keep truncated` and `--keep redacted` keep them. With `--status ok` a conversation ends with its
    last call that succeeded, whatever came after it. The others keep those unless `--drop` says
    otherwise. What has no row in a format, such as a call logged without its content, is dropped in any case.

    PATH.manifest.json counts what was kept and what was dropped, and why, and names all files with their hashes.
    """  # noqa: D301  # `\b` is click's mark
    order = Order(
        format=export_format,
        wanted=filters_of(options, limit=limit),
        drop=chosen_drops(export_format, keep=keep, drop=drop),
        per_call=per_call,
        routing=configured(config_file).routing,
    )
    output = _usual_place(export_format) if output is None else output
    _require_sense(order, output, as_json=as_json)
    directory = required_log(config_file)
    order = msgspec.structs.replace(order, wanted=judged_aloud(directory, order.wanted))
    destination = Destination(Path(output), is_directory=export_format == "parquet")
    if output != _STDOUT:
        require_place(destination, directory, overwrite=overwrite)
        for sentence in remove_left(destination):
            warn_of(f"arawn: {sentence}")
    manifest = _exported(directory, order, None if output == _STDOUT else destination)
    if as_json:
        print_json(manifest)
    else:
        note(_summary(manifest, output))
        if manifest.answered_calls_dropped:
            note(_lost_with_the_last(manifest.answered_calls_dropped))


def _exported(directory: Path, order: Order, destination: Destination | None) -> ExportManifest:
    """Write the export to its place, or to stdout without one."""
    rows_are_seen = destination is None and sys.stdout.isatty()  # they would stand in the line of the progress
    with ProgressLine(wanted=not rows_are_seen) as progress:
        progress.show("reading the log")
        on_calls = partial(_tell, progress)

        def write(rows: RowWriter) -> ExportManifest:
            return export(directory, order, rows, on_damage=progress.damage, on_calls=on_calls)

        if destination is None:
            return write(LineRows(_STDOUT, _print_line))
        return _to_place(destination, write, newest_day(directory))


def _require_sense(order: Order, output: str, *, as_json: bool) -> None:
    if order.per_call and order.format not in CONVERSATION_FORMATS:
        raise BadInput(f"`--per-call` says nothing for `--format {order.format}`, which has a row a call as it is")
    if output == _STDOUT and order.format == "parquet":
        raise BadInput("Parquet cannot go to stdout, since it is a directory of files; name one with `-o`")
    if output.endswith("/") and order.format != "parquet":
        raise BadInput(f"cannot export to `{output}`: that names a directory, and `{order.format}` is a file; name one")
    if output == _STDOUT and as_json:
        raise BadInput("`--json` prints the manifest on stdout, where `-o -` puts the rows; name a file with `-o`")
    if order.format == "parquet":
        require_duckdb()


def _to_place(destination: Destination, write: Write, empty_day: str) -> ExportManifest:
    with unfinished(destination) as place:
        if destination.is_directory:
            manifest = write(ParquetRows(place.data, place.scratch, empty_day=empty_day))
        else:
            with place.open_data() as file:
                manifest = write(LineRows(destination.path.name, file.write))
        place.finish(manifest)
    return manifest


def _print_line(line: bytes) -> None:
    if sys.stdout.isatty():
        print_json_line(line, nl=False)
    else:
        sys.stdout.buffer.write(line)


def _tell(progress: ProgressLine, calls: int) -> None:
    if calls % _TELL_EVERY == 0:
        progress.show(f"{counted(calls, 'call')} read")


def _lost_with_the_last(calls: int) -> str:
    were = "was" if calls == 1 else "were"
    return (
        f"arawn: {counted(calls, 'answered call')} {were} dropped with the last call of the conversation, which has no "
        "whole answer; with `--status ok` a conversation ends with its last call that has one"
    )


def _usual_place(export_format: Format) -> str:
    return f"interactions-{export_format}" + ("" if export_format == "parquet" else ".jsonl")


def _summary(manifest: ExportManifest, output: str) -> str:
    units = manifest.interactions if manifest.conversations is None else manifest.conversations
    whole = counted(units, manifest.row)
    dropped = ", ".join(f"{count:,} {reason}" for reason, count in manifest.dropped.items())
    damaged = f"; {counted(manifest.damages, 'damaged place')} of the log passed over" if manifest.damages else ""
    place = "" if output == _STDOUT else f" to {output}"
    return f"{manifest.rows:,} of {whole} written{place}{f' (dropped: {dropped})' if dropped else ''}{damaged}"
