"""`arawn route replay`: what another configuration would have done with the calls of the log."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from arawn.cli.log_filters import filter_options, filters_of
from arawn.cli.log_reading import ProgressLine, missing, required_log
from arawn.cli.options import config_option, configured, json_option
from arawn.cli.output import print_json, print_table, say, warn_of
from arawn.cli.table_fit import on_one_line
from arawn.config import default_profile
from arawn.errors import BadInput
from arawn.interactions.filters import Filters, matches
from arawn.interactions.heads import UNREADABLE, decode_line
from arawn.interactions.record import InteractionHead, InteractionRecord
from arawn.routing.layered import LayeredPolicy
from arawn.routing.replay import Counted, Replay, ReplayReport

__all__ = ["replay", "replayed_log"]


@click.command()
@click.option(
    "--log",
    "directory",
    type=click.Path(path_type=Path),
    metavar="DIRECTORY",
    help="Read this log; otherwise that of the configuration that is found without `--config`.",
)
@filter_options
@json_option
@config_option
def replay(*, directory: Path | None, as_json: bool, config_file: Path | None, **options: Any) -> None:
    """Run the configuration of `--config` over the log and show which calls would have gone elsewhere.

    No model is called. Calls that named a profile, or whose workstream was bound to one, keep it. Rules and default
    decide the others; a classifier or a policy of your own is not asked.
    """
    wanted = filters_of(options, limit=None)
    config = configured(config_file)
    directory = directory or required_log(None)
    if not directory.is_dir():
        raise BadInput(missing(directory))
    if config.routing.policy is not None or config.routing.classifier.file is not None:
        warn_of("only rules and default are replayed; the classifier or policy of the configuration is not asked")
    policy = LayeredPolicy(config.routing, default=default_profile(config), known=config.profiles)
    report = replayed_log(policy, directory, wanted)
    if as_json:
        print_json(report)
    else:
        _show(report)


def replayed_log(policy: LayeredPolicy, directory: Path, wanted: Filters) -> ReplayReport:
    """Return what `policy` would have done with the calls that are wanted, holding one of them at a time.

    Raises:
        OSError: The log cannot be read.
    """
    judging = Replay(policy)
    with ProgressLine() as progress:
        for path, (_, line), head in progress.reader(directory).lines(wanted):
            if isinstance(head, InteractionHead) and matches(head, wanted):
                try:
                    record = decode_line(line)
                except UNREADABLE as error:
                    with progress.hidden():
                        warn_of(f"arawn: warning: {path}: skipped `{head.id}`: {error}")
                    continue
                assert isinstance(record, InteractionRecord)
                judging.add(record)
    return judging.report()


def _show(report: ReplayReport) -> None:
    if report.changes:
        rows = [
            (
                change.was,
                change.now or "(refused)",
                *_numbers(change.counted),
                on_one_line(change.reason),
                change.example,
            )
            for change in report.changes
        ]
        print_table(("was", "would be", "calls", "tokens in", "tokens out", "reason", "example"), rows)
        say()
    say(f"{_words(report.changed)} of {_words(report.seen)} would go elsewhere")
    if report.not_logged:
        were = "call was" if report.not_logged == 1 else "calls were"
        say(f"{report.not_logged} {were} not judged: the log does not hold their messages")


def _numbers(counted: Counted) -> tuple[str, str, str]:
    return str(counted.calls), str(counted.input_tokens), str(counted.output_tokens)


def _words(counted: Counted) -> str:
    calls, given, answered = _numbers(counted)
    return f"{calls} {'call' if calls == '1' else 'calls'} ({given} tokens in, {answered} out)"
