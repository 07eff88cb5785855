"""What somebody thinks of a call goes into the log, beside a daemon and without one."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from arawn.config.schema import InteractionLogConfig
from arawn.errors import BadInput, LogWriteFailed
from arawn.interactions.feedback import Judgement, append_feedback, feedback_line
from arawn.interactions.journal import Journal
from arawn.interactions.reader import Damage, LogReader
from arawn.interactions.scan import Progress
from arawn.interactions.verify import check_directory
from arawn.messages import CompletionRequest, user
from tests.arawn.interactions.key_samples import SHAPES, Dice
from tests.arawn.interactions.mending_logs import CONFIG, written_log
from tests.arawn.interactions.samples import NOON
from tests.runtimes import configured, lines, records, running


def test_feedback_is_a_line_of_the_log(tmp_path: Path) -> None:
    """Numbered and checked like every other; keys in the note go the way of all keys."""
    log = written_log(tmp_path / "log")
    key = SHAPES[0][1](Dice(1))
    identity = records(tmp_path)[0]["id"]

    line = feedback_line(log, identity, Judgement("bad", 0, f"it said {key}"), at=NOON, config=CONFIG)
    append_feedback(log, [line], CONFIG)

    found = [line for line in lines(tmp_path) if line["kind"] == "feedback" and line["label"] == "bad"]
    assert [(line["interaction_id"], line["value"]) for line in found] == [(identity, 0.0)]
    assert key not in found[0]["note"]
    assert check_directory(log).clean


def test_a_log_that_is_taken_away_while_it_is_read_is_not_one_without_the_call(tmp_path: Path) -> None:
    """A file that is gone was removed by intent; all of them at once were not, and the call may be there again."""
    log, elsewhere = written_log(tmp_path / "log"), tmp_path / "elsewhere"
    identity = records(tmp_path)[0]["id"]
    damages: list[Damage] = []

    def take_away(_: Progress) -> None:
        if log.exists():
            log.rename(elsewhere)

    with pytest.raises(FileNotFoundError, match=str(log)):
        LogReader(log, on_damage=damages.append, on_progress=take_away).find(identity)

    assert LogReader(elsewhere, on_damage=damages.append).find(identity).head.id == identity
    assert damages == []


@pytest.mark.parametrize(
    ("interaction", "judgement", "why"),
    [
        ("ffffffff", Judgement("good"), "no interaction has an id"),
        ("", Judgement("good"), "no id"),
        ("0", Judgement("good"), "more than 5 interactions have an id"),
        ("0", Judgement("good", float("nan")), "finite number"),
    ],
)
def test_what_cannot_be_judged_is_said(tmp_path: Path, interaction: str, judgement: Judgement, why: str) -> None:
    """One sentence, and nothing is written."""
    log = written_log(tmp_path / "log")

    with pytest.raises(BadInput, match=why):
        feedback_line(log, interaction, judgement, at=NOON, config=CONFIG)


async def test_a_running_runtime_writes_it(tmp_path: Path) -> None:
    """Through the one writer."""
    async with running(configured(tmp_path)) as runtime:
        reply = await runtime.complete(CompletionRequest(messages=(user("hello"),)))
        assert reply.interaction_id is not None
        line = await runtime.give_feedback(reply.interaction_id, Judgement("good", 1.0))
        with pytest.raises(BadInput, match="no interaction"):
            await runtime.give_feedback("ffff", Judgement("good"))

    assert line.interaction_id == reply.interaction_id
    assert [line["label"] for line in lines(tmp_path) if line["kind"] == "feedback"] == ["good"]


def test_secrets_that_the_caller_knows_are_redacted(tmp_path: Path) -> None:
    """The daemon's own token and keys have no shape that gives them away; where redaction is off, nothing is."""
    log = written_log(tmp_path / "log")
    identity, judgement = records(tmp_path)[0]["id"], Judgement("hunter2-label", note="I used hunter2-my-token")
    off = InteractionLogConfig(redact_secrets=False)

    line = feedback_line(log, identity, judgement, at=NOON, config=CONFIG, secrets=["hunter2-my-token"])
    plain = feedback_line(log, identity, judgement, at=NOON, config=off, secrets=["hunter2-my-token"])

    assert (line.note or "").startswith("I used [redacted:secret:")
    assert plain.note == "I used hunter2-my-token"


async def test_feedback_that_is_lost_is_no_success(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who gave it is told, and can give it again."""
    with pytest.raises(LogWriteFailed, match="1 record is not in"):
        async with running(configured(tmp_path)) as runtime:
            reply = await runtime.complete(CompletionRequest(messages=(user("hello"),)))
            assert reply.interaction_id is not None

            async def losing(journal: Journal, _: object) -> None:
                await trio.lowlevel.checkpoint()
                journal.lose("planted")

            with monkeypatch.context() as patch:
                patch.setattr(Journal, "record", losing)
                with pytest.raises(LogWriteFailed, match="planted; give it again"):
                    await runtime.give_feedback(reply.interaction_id, Judgement("good"))
            again = await runtime.give_feedback(reply.interaction_id, Judgement("good"))

    assert again.label == "good"
    assert [line["label"] for line in lines(tmp_path) if line["kind"] == "feedback"] == ["good"]


async def test_without_a_log_there_is_nothing_to_judge(tmp_path: Path) -> None:
    """The message names the setting."""
    async with running(configured(tmp_path, enabled=False)) as runtime:
        with pytest.raises(BadInput, match=r"logging\.interactions\.enabled"):
            await runtime.give_feedback("0", Judgement("good"))
