"""The commands that check, mend, remove and judge."""

from __future__ import annotations

import json
import signal
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
import zstandard

from arawn.config.schema import InteractionLogConfig
from arawn.interactions.opening import open_day_log
from tests.arawn.cli.conftest import Command
from tests.arawn.cli.place import PATIENCE, Place
from tests.arawn.interactions.samples import record


@pytest.fixture
def asked(command: Command) -> list[str]:
    """Three calls in the log; their ids."""
    command("ask", "one")
    command("ask", "-w", "research", "-p", "fast", "two words")
    command("ask", "three")
    return [head["id"] for head in json.loads(command("interactions", "list", "--json").out)]


def damage(place: Place) -> None:
    (path,) = place.log.glob("*.jsonl")
    first, *rest = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first + b"\0\0\0\n" + b"".join(rest))


def test_a_clean_log_is_said_to_be_clean(asked: list[str], command: Command) -> None:
    """Exit code 0, one line."""
    result = command("interactions", "verify")

    assert (result.code, result.err) == (0, "")
    assert result.out.startswith("1 file, 9 lines (3 interactions, 6 marks), ")
    assert result.out.endswith("clean\n")


def test_damage_is_named_and_the_exit_code_says_it(asked: list[str], command: Command, place: Place) -> None:
    """File, line and what; as JSON too."""
    damage(place)

    result = command("interactions", "verify")
    as_json = command("interactions", "verify", "--json")

    assert result.code == as_json.code == 1
    assert ":2: 3 of its 4 bytes are NUL" in result.out
    report = json.loads(as_json.out)
    assert [(problem["line"], problem["kind"]) for problem in report["problems"]] == [(2, "damaged")]
    assert report["clean"] is False


def test_repair_says_what_it_did(asked: list[str], command: Command, place: Place) -> None:
    """A dry run changes nothing; then the log is clean, and a second repair has nothing to do."""
    damage(place)

    planned = command("interactions", "repair", "--dry-run")
    still = command("interactions", "verify").code
    done = command("interactions", "repair")

    assert (planned.code, still, done.code) == (0, 1, 0)
    assert "9 whole lines stay, 4 damaged bytes would be set aside" in planned.out
    assert ".damaged-" in done.out
    assert command("interactions", "verify").code == 0
    assert command("interactions", "repair", "--dry-run").out == "nothing would have to be repaired\n"
    assert command("interactions", "repair").out == "nothing had to be repaired\n"
    assert json.loads(command("interactions", "repair", "--json").out)["files"] == []


def test_repair_names_the_directory_whose_mode_it_mends(asked: list[str], command: Command, place: Place) -> None:
    """Once: the second repair has nothing to do."""
    place.log.chmod(0o755)

    planned, done = command("interactions", "repair", "--dry-run"), command("interactions", "repair")

    assert f"run `chmod 700 {place.log}`" in planned.out
    assert (done.code, done.out) == (0, f"{place.log}: readable by its owner alone now\n")
    assert command("interactions", "repair").out == "nothing had to be repaired\n"


def test_repair_brings_records_back_from_a_day_to_come(command: Command, place: Place) -> None:
    """A clock was ahead for one call; the file is named before and after, and the log is clean then."""
    ahead = datetime.now(UTC) + timedelta(days=400)
    with closing(open_day_log(place.log, InteractionLogConfig(), clock=lambda: ahead)) as log:
        log.append([record(1, ahead)])
    command("ask", "one")
    name = f"interactions-{ahead.date()}.jsonl"

    today = f"--today={datetime.now(UTC).date()}"

    untold = command("interactions", "repair")
    refused = command("interactions", "repair", "--today=1970-01-01")
    planned = command("interactions", "repair", today, "--dry-run")
    as_json = json.loads(command("interactions", "repair", today, "--dry-run", "--json").out)
    before = sorted(path.name for path in place.log.glob("*.jsonl"))
    done = command("interactions", "repair", today)

    assert untold.out == "nothing had to be repaired\n"
    assert (refused.code, "set the clock right first" in refused.err) == (2, True)
    assert (planned.code, planned.out) == (0, f"{name}: of a day to come; its lines would go to their days\n")
    assert (as_json["ahead"], before) == ([name], [name])
    assert done.out.startswith(f"{name}: of a day to come; its lines are in interactions-")
    assert not (place.log / name).exists()
    assert command("interactions", "verify").out.endswith("clean\n")


def test_rm_asks_and_removes(asked: list[str], command: Command, place: Place) -> None:
    """No keeps everything, yes leaves no byte."""
    refused = command("interactions", "rm", asked[1][:-1], piped="n\n")
    planned = command("interactions", "rm", "--workstream", "research", "--dry-run", "--json")
    removed = command("interactions", "rm", asked[1], piped="y\n")

    assert (refused.code, removed.code) == (1, 0)
    assert "nothing was removed" in refused.err
    assert json.loads(planned.out)["lines"] == 1
    assert "1 interaction (1 line, " in removed.err
    assert b"two words" not in b"".join(path.read_bytes() for path in place.log.iterdir() if path.is_file())
    assert command("interactions", "verify").code == 0
    left = json.loads(command("interactions", "list", "--json").out)
    assert [head["id"] for head in left] == [asked[0], asked[2]]


def test_whole_ids_are_taken_in_any_case(asked: list[str], command: Command) -> None:
    """By every command that takes one; so is the beginning of one."""
    for identity in (asked[1].upper(), asked[1][:-1].upper()):
        shown = command("interactions", "show", identity, "--json")
        judged = command("interactions", "feedback", identity, "good", "--json")
        planned = command("interactions", "rm", identity, "--dry-run", "--json")

        assert json.loads(shown.out)["id"] == asked[1]
        assert json.loads(judged.out)["interaction_id"] == asked[1]
        assert json.loads(planned.out)["ids"] == [asked[1]]


def test_json_says_only_what_is_known(asked: list[str], command: Command) -> None:
    """The keys are those that the page of the log lists."""
    judged = json.loads(command("interactions", "feedback", asked[0], "good", "--json").out)
    removed = json.loads(command("interactions", "rm", *asked[:2], "--yes", "--json").out)

    assert {**judged, "timestamp": ""} == {
        "interaction_id": asked[0],
        "label": "good",
        "value": None,
        "note": None,
        "timestamp": "",
    }
    assert [*removed] == ["ids", "lines", "size", "pieces", "files", "numbers", "newer"]
    assert removed["ids"] == sorted(asked[:2])


@pytest.mark.parametrize(
    "arguments",
    [
        ["rm"],
        ["rm", "ffffffff", "--yes"],
        ["rm", "ffffffff-ffff-7fff-8fff-ffffffffffff", "--yes"],
        ["rm", "", "--yes"],
        ["rm", "--session", "nobody", "--yes"],
        ["feedback", "ffff", "good"],
        ["feedback", "0", ""],
        ["feedback", "", "good"],
        ["show", ""],
    ],
)
def test_what_cannot_be_done_is_wrong_use(asked: list[str], command: Command, arguments: list[str]) -> None:
    """A message that says what would be right, exit code 2, nothing changed."""
    result = command("interactions", *arguments)

    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("arawn: ")
    assert "Traceback" not in result.err
    assert len(json.loads(command("interactions", "list", "--json").out)) == 3


@pytest.mark.parametrize("arguments", [["verify"], ["repair"], ["rm", "x"], ["feedback", "x", "good"]])
def test_without_a_log_there_is_one_sentence(command: Command, arguments: list[str], place: Place) -> None:
    """And none is made."""
    result = command("interactions", *arguments)

    assert (result.code, len(result.err.splitlines())) == (2, 1)
    assert not place.log.exists()


def test_show_has_the_feedback(asked: list[str], command: Command) -> None:
    """Text and JSON; a part of the call does not; `latest` is judged as it is shown."""
    command("interactions", "feedback", asked[0], "good", "--value", "-0.5", "--note", "too short")
    command("interactions", "feedback", "latest", "bad")

    text = command("interactions", "show", asked[0], "--tz", "UTC").out
    as_json = json.loads(command("interactions", "show", asked[0], "--json").out)
    latest = json.loads(command("interactions", "show", "latest", "--json").out)

    assert "\nfeedback:\n" in text
    assert "  good -0.5\n    too short\n" in text
    assert [(line["label"], line["note"]) for line in as_json["feedback"]] == [("good", "too short")]
    assert [line["label"] for line in latest["feedback"]] == ["bad"]
    assert "feedback:" not in command("interactions", "show", asked[0], "--response").out


def test_an_empty_label_is_refused_in_words(asked: list[str], command: Command) -> None:
    """Not in those of the library that checks it."""
    assert "the label is empty; give a word such as `good`" in command("interactions", "feedback", "0", "").err


def test_feedback_is_written(asked: list[str], command: Command, place: Place) -> None:
    """Without a daemon the command writes it."""
    result = command("interactions", "feedback", asked[0], "good", "--value", "-0.5", "--note", "short")
    as_json = command("interactions", "feedback", asked[0][:-1], "bad", "--json")

    assert (result.code, as_json.code) == (0, 0)
    (line,) = as_json.out.splitlines()
    assert json.loads(line)["interaction_id"] == asked[0]
    assert command("interactions", "verify").code == 0
    (path,) = place.log.glob("*.jsonl")
    found = [json.loads(line) for line in path.read_bytes().splitlines() if b'"kind":"feedback"' in line]
    assert [(line["label"], line["value"], line["note"]) for line in found] == [
        ("good", -0.5, "short"),
        ("bad", None, None),
    ]


@pytest.mark.slow
def test_beside_a_daemon(place: Place) -> None:
    """Feedback goes through it, verify runs beside it, repair and rm are refused with one sentence."""
    with place.popen("start") as daemon:
        try:
            assert daemon.stdout is not None
            while "ready" not in daemon.stdout.readline().lower() and daemon.poll() is None:
                pass
            asked = place.run("ask", "one")
            identity = json.loads(place.run("interactions", "list", "--json").stdout)[0]["id"]
            feedback = place.run("interactions", "feedback", identity[:-2], "good", "--json")
            unknown = place.run("interactions", "feedback", "ffff", "good")
            verify = place.run("interactions", "verify")
            repair = place.run("interactions", "repair")
            remove = place.run("interactions", "rm", identity, "--yes")
            del place.environ["ARAWN_RUNTIME_DIR"]  # from here on the commands look for the daemon elsewhere
            apart = place.run("interactions", "repair")
        finally:
            daemon.send_signal(signal.SIGTERM)
            daemon.wait(PATIENCE)

    assert asked.returncode == 0, asked.stderr
    assert (feedback.returncode, json.loads(feedback.stdout)["interaction_id"]) == (0, identity)
    assert (unknown.returncode, len(unknown.stderr.splitlines())) == (2, 1)
    assert (verify.returncode, verify.stderr) == (0, "")
    assert {repair.returncode, remove.returncode} == {1}
    assert "run `arawn stop`, then this command again" in repair.stderr
    assert "run `arawn stop`, then this command again" in remove.stderr
    assert (apart.returncode, f"process {daemon.pid} (started 2" in apart.stderr) == (1, True), apart.stderr
    assert "`arawn stop` where `ARAWN_RUNTIME_DIR` is as it was at its start" in apart.stderr
    assert f"or with `kill {daemon.pid}`" in apart.stderr


def test_a_file_that_lacks_lines_of_its_compressed_form_is_warned_of(
    asked: list[str], command: Command, place: Place
) -> None:
    """By readers and `verify`; `rm` is refused, and `repair` joins both."""
    (plain,) = place.log.glob("*.jsonl")
    text = plain.read_bytes()
    sealed = plain.with_name(f"{plain.name}.zst")
    sealed.write_bytes(zstandard.compress(text))
    sealed.chmod(0o600)
    plain.write_bytes(text[: text.rindex(b"\n", 0, -1) // 2])

    listed = command("interactions", "list", "--json")
    verified = command("interactions", "verify")
    removed = command("interactions", "rm", asked[0], "--yes")
    repaired = command("interactions", "repair")

    assert [call["id"] for call in json.loads(listed.out)] == asked
    assert f"arawn: warning: {plain.name}: it lacks lines of {sealed.name}" in listed.err
    assert (verified.code, f"{plain.name}: it does not hold all of {sealed.name}" in verified.out) == (1, True)
    assert (removed.code, "run `arawn interactions repair`" in removed.err) == (1, True)
    assert repaired.code == 0, repaired.out
    assert [call["id"] for call in json.loads(command("interactions", "list", "--json").out)] == asked


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_a_value_that_no_line_can_hold_is_refused(asked: list[str], command: Command, value: str) -> None:
    """It is not noted as something else, or as nothing."""
    result = command("interactions", "feedback", asked[0], "bad", f"--value={value}")

    assert (result.code, "must be a finite number" in result.err) == (2, True)
    assert json.loads(command("interactions", "show", asked[0], "--json").out)["feedback"] == []
