"""`arawn interactions feedback`: into which log it goes, many at once, and labels that are misspelt."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.arawn.cli.conftest import Command
from tests.arawn.cli.place import PATIENCE, SCRIPTED, Place


@pytest.fixture
def asked(command: Command) -> list[str]:
    """The ids of three calls, the first one first."""
    for text in ("one", "two", "three"):
        assert command("ask", text).code == 0
    return [head["id"] for head in json.loads(command("interactions", "list", "--json").out)]


@contextmanager
def daemon(place: Place) -> Iterator[subprocess.Popen[str]]:
    with place.popen("start") as process:
        try:
            assert process.stdout is not None
            while "ready" not in process.stdout.readline().lower() and process.poll() is None:
                pass
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE)


def judgements(command: Command, identity: str) -> list[tuple[str, float | None, str | None]]:
    shown = json.loads(command("interactions", "show", identity, "--json").out)["feedback"]
    return [(line["label"], line["value"], line["note"]) for line in shown]


def test_many_are_taken_from_a_file(asked: list[str], command: Command, place: Place) -> None:
    """By id, by the beginning of one, and `latest`; the log is opened once."""
    lines = [
        {"id": asked[0], "label": "good", "value": 1, "note": "why"},
        {"id": asked[1][:-1], "label": "bad"},
        {"id": "latest", "label": "fast"},
    ]
    (place.directory / "said.jsonl").write_text("\n\n".join(map(json.dumps, lines)))
    marks = (log := next(place.log.glob("*.jsonl"))).read_text().count('"event":"start"')

    result = command("interactions", "feedback", "--from", str(place.directory / "said.jsonl"))

    assert (result.code, result.out, result.err) == (0, "", "3 judgements noted\n")
    assert judgements(command, asked[0]) == [("good", 1.0, "why")]
    assert judgements(command, asked[1]) == [("bad", None, None)]
    assert judgements(command, asked[2]) == [("fast", None, None)]
    assert log.read_text().count('"event":"start"') == marks + 1


def test_many_are_taken_from_a_pipe(asked: list[str], command: Command) -> None:
    """And printed as lines of JSON."""
    piped = "".join(json.dumps({"id": identity, "label": "good"}) + "\n" for identity in asked)

    result = command("interactions", "feedback", "--from", "-", "--json", piped=piped)

    assert [json.loads(line)["interaction_id"] for line in result.out.splitlines()] == asked


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('{"id": "ffff", "label": "good"}', "no interaction has an id that begins with `ffff`"),
        ('{"id": "latest", "label": ""}', "length >= 1"),
        ('{"id": "latest", "label": "good", "rating": 1}', "unknown field `rating`"),
        ('{"id": "latest"}', "missing required field `label`"),
        ("latest good", "a line must be"),
    ],
)
def test_of_many_all_are_taken_or_none(asked: list[str], command: Command, line: str, why: str) -> None:
    """The line that is wrong is named."""
    piped = json.dumps({"id": asked[0], "label": "good"}) + "\n" + line

    result = command("interactions", "feedback", "--from", "-", piped=piped)

    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("arawn: stdin:2: ")
    assert why in result.err
    assert judgements(command, asked[0]) == []


@pytest.mark.parametrize(
    "arguments", [[], ["latest"], ["latest", "good", "--from", "-"], ["--from", "-", "--value", "1"], ["--from", "no"]]
)
def test_half_of_a_judgement_is_wrong_use(asked: list[str], command: Command, arguments: list[str]) -> None:
    """An id and a label, or a file that is there."""
    result = command("interactions", "feedback", *arguments)

    assert result.code == 2
    assert judgements(command, asked[2]) == []


@pytest.mark.parametrize(
    ("label", "warning"),
    [
        ("fst", "the label `fst` is no profile, so `arawn route` learns nothing from it (did you mean `fast`?)"),
        ("goood", "(did you mean `good`?)"),
        ("fast", ""),
        ("Good", ""),
        ("latency", ""),
    ],
)
def test_a_misspelt_label_is_named_at_once(asked: list[str], command: Command, label: str, warning: str) -> None:
    """And taken, since a label may be any word."""
    result = command("interactions", "feedback", asked[0], label)

    assert result.code == 0
    assert warning in result.err
    assert ("warning" in result.err) == bool(warning)
    assert judgements(command, asked[0]) == [(label, None, None)]


@pytest.mark.slow
def test_feedback_goes_into_the_log_that_list_reads(place: Place) -> None:
    """Beside a daemon of another log too, and through the daemon only where that is its own."""
    other = place.directory / "other"
    other.mkdir()
    (place.directory / "other.toml").write_text(f'{SCRIPTED}\n[logging.interactions]\npath = "{other}"\n')
    with_other = ("--config", str(place.directory / "other.toml"))
    assert place.run("backends", "test", "default", *with_other).returncode == 0
    with daemon(place):
        assert place.run("ask", "one").returncode == 0
        own = json.loads(place.run("interactions", "list", "--json").stdout)[0]["id"]
        (theirs,) = json.loads(place.run("interactions", "list", "--json", *with_other).stdout)
        beside = place.run("interactions", "feedback", theirs["id"], "good", *with_other)
        through = place.run("interactions", "feedback", "--from", "-", piped=f'{{"id": "{own[:-1]}", "label": "bad"}}')
        lost = place.run("interactions", "feedback", own, "good", *with_other)
    shown = json.loads(place.run("interactions", "show", theirs["id"], "--json", *with_other).stdout)["feedback"]

    assert (beside.returncode, beside.stderr) == (0, f"`good` is noted for {theirs['id']}\n")
    assert [line["label"] for line in shown] == ["good"]
    assert (through.returncode, through.stderr) == (0, f"`bad` is noted for {own}\n")
    assert (lost.returncode, "no interaction has an id" in lost.stderr) == (2, True)
    assert b'"kind":"feedback"' not in b"".join(
        line
        for path in place.log.glob("*.jsonl")
        for line in path.read_bytes().splitlines()
        if theirs["id"].encode() in line
    )


@pytest.mark.slow
def test_a_call_whose_record_waits_is_not_unknown(place: Place) -> None:
    """The log was taken away from the daemon: the command says so, and to try again; not that there is no such call."""
    place.configure(SCRIPTED + '[logging.interactions]\nsync = "always"\n')  # else the daemon has the first call still
    with daemon(place):
        asked = json.loads(place.run("ask", "one", "--json").stdout)["interaction_id"]
        shutil.rmtree(place.log)
        waiting = json.loads(place.run("ask", "two", "--json").stdout)["interaction_id"]
        early = place.run("interactions", "feedback", waiting, "good")
        place.log.mkdir()
        deadline = time.monotonic() + PATIENCE
        while place.run("interactions", "feedback", waiting, "good").returncode != 0:
            assert time.monotonic() < deadline
        while "may not be written yet" in (lost := place.run("interactions", "feedback", asked, "good")).stderr:
            assert time.monotonic() < deadline  # what is written is synced a little later; until then the log is behind

    assert early.returncode == 1
    assert "the record may not be written yet: the log is degraded (" in early.stderr
    assert (lost.returncode, "no interaction has an id" in lost.stderr) == (2, True)


def test_calls_are_chosen_by_their_last_label(asked: list[str], command: Command, place: Place) -> None:
    """By all readers and `rm`; a judgement that was taken back counts no more."""
    for identity, label in ((asked[0], "bad"), (asked[0], "good"), (asked[1], "good"), (asked[1], "meh")):
        command("interactions", "feedback", identity, label)

    def listed(*labels: str) -> list[str]:
        arguments = [part for label in labels for part in ("--label", label)]
        return [call["id"] for call in json.loads(command("interactions", "list", "--json", *arguments).out)]

    assert [listed("good"), listed("bad"), listed("good", "meh")] == [asked[:1], [], asked[:2]]
    found = command("interactions", "search", "--json", "--label", "meh").out
    assert [json.loads(line)["id"] for line in found.splitlines()] == [asked[1]]
    stats = json.loads(command("interactions", "stats", "--json", "--label", "meh").out)
    assert stats["total"]["calls"] == 1
    command("interactions", "export", "--format", "jsonl", "-o", "rows.jsonl", "--label", "good")
    rows = (place.directory / "rows.jsonl").read_text().splitlines()
    manifest = json.loads((place.directory / "rows.jsonl.manifest.json").read_text())
    assert [json.loads(row)["id"] for row in rows] == [asked[0]]
    assert manifest["filters"] == {"labels": ["good"]}
    assert command("interactions", "rm", "--label", "meh", "--yes").code == 0
    assert listed() == [asked[0], asked[2]]
    assert command("interactions", "rm", "--label", "nobody", "--yes").code == 2


def test_a_label_that_nobody_gave_is_told(asked: list[str], command: Command) -> None:
    """With those that there are, the most frequent first, one line each; the export is what it was, and `-q` is."""
    export = ["interactions", "export", "-f", "jsonl", "-o", "-"]
    unjudged = command(*export, "--label", "god")
    for identity, label in zip(asked, ("bad", "good", "good"), strict=True):
        command("interactions", "feedback", identity, label)

    told = command(*export, "--label", "god", "--label", "bad")
    quiet = command(*export, "--label", "god", "--quiet")
    known = command(*export, "--label", "good")

    assert "arawn: no call has the label `god`; none has been judged\n" in unjudged.err
    assert "arawn: no call has the label `god`; the labels are `good`, `bad`\n" in told.err
    assert (told.code, told.out.count("\n"), "has the label" in known.err) == (0, 1, False)
    assert (quiet.code, quiet.out, quiet.err) == (0, "", "")
