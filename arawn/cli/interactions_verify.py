"""`arawn interactions verify`: is the log whole?"""

from __future__ import annotations

from pathlib import Path

import click

from arawn.cli.log_mending import problem_lines
from arawn.cli.log_reading import ProgressLine, required_log
from arawn.cli.options import config_option, json_option
from arawn.cli.output import note, print_json, say
from arawn.interactions.counted import counted
from arawn.interactions.findings import Report

__all__ = ["verify"]

_KINDS = {"tool_result": ("tool result",), "feedback": ("feedback", "feedback")}  # said otherwise than with an s


@click.command()
@json_option
@config_option
def verify(as_json: bool, config_file: Path | None) -> None:
    """Check every line, number, hash, name and mode of the log; exit code 1 when anything is damaged or lost.

    Runs beside a daemon too: what is being written is no damage. Losses that the log itself declares (lines removed
    with `rm`, a full disk) are listed, and are no failure.
    """
    from arawn.interactions.to_mend import to_mend  # slow to load: they read compressed files
    from arawn.interactions.verify import check_directory

    directory = required_log(config_file)
    with ProgressLine() as progress:
        report = check_directory(
            directory, on_file=lambda name, number, files: progress.show(f"{number}/{files} {name}")
        )
    if as_json:
        print_json(report)
    else:
        _print(report, mendable=len(report.problems) - len(to_mend(directory, report).left))
    if not report.clean:
        raise click.exceptions.Exit(1)


def _print(report: Report, *, mendable: int) -> None:
    for line in problem_lines(report.problems):
        say(line)
    for loss in report.declared:
        say(f"{loss.file}:{loss.line}: declared: {counted(loss.count, 'line')}: {loss.why}")
    for text in report.notes:
        note(f"arawn: {text}")
    kinds = [counted(total, *_KINDS.get(kind, (kind,))) for kind, total in report.kinds.items()]
    parts = [counted(report.files, "file"), counted(report.lines, "line") + (f" ({', '.join(kinds)})" if kinds else "")]
    parts.append(counted(report.size, "byte"))
    if report.doubles:
        parts.append(f"{report.doubles:,} written twice")
    if report.kept_aside:
        parts.append(f"{counted(report.kept_aside, 'file')} kept aside")
    say(f"{', '.join(parts)}: {_verdict(report, mendable)}")


def _verdict(report: Report, mendable: int) -> str:
    if report.clean:
        return "clean"
    problems = counted(len(report.problems), "problem")
    if not mendable:
        return problems
    what = "damage" if mendable == len(report.problems) else f"{mendable:,} of them"
    return f"{problems}; `arawn interactions repair` mends {what} or declares it"
