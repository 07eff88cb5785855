"""Judging a call from Python."""

from __future__ import annotations

import contextlib
import errno
import logging
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

import arawn
from actors import Stopped
from arawn.interactions import judging
from arawn.interactions.feedback import feedback_line
from arawn.interactions.filesystem import Filesystem
from tests.arawn.interactions.simulated_filesystem import os_error
from tests.arawn.test_wrong_arguments import REQUEST
from tests.runtimes import configured, lines, running
from tests.serving import app_of, serving

UNFIT: list[tuple[Any, str]] = [
    ("good", r"a judgement is an `arawn.Judgement`, found str; `arawn.Judgement\(\"good\"\)` makes one"),
    (None, "found NoneType"),
    (arawn.Judgement(""), "the judgement does not fit: .*label"),
    (arawn.Judgement(5), "the judgement does not fit: .*label"),  # type: ignore[arg-type]
    (arawn.Judgement("x" * 201), "the judgement does not fit: .*label"),
    (arawn.Judgement("half \ud800"), "the judgement does not fit"),
    (arawn.Judgement("good", "1"), "the judgement does not fit: .*value"),  # type: ignore[arg-type]
    (arawn.Judgement("good", value=float("nan")), "finite number"),
    (arawn.Judgement("good", value=10**400), "the judgement does not fit"),
    (arawn.Judgement("good", note=5), "the judgement does not fit: .*note"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("judgement", "why"), UNFIT)
async def test_what_is_no_judgement_is_refused(judgement: Any, why: str, tmp_path: Path) -> None:
    """The message says what does not fit; nothing is written."""
    async with running(configured(tmp_path)) as runtime:
        interaction = (await runtime.complete(REQUEST)).interaction_id
        assert interaction is not None
        with pytest.raises(arawn.BadInput, match=why):
            await runtime.give_feedback(interaction, judgement)

    assert not [line for line in lines(tmp_path) if line["kind"] == "feedback"]


async def test_a_call_is_judged(tmp_path: Path) -> None:
    """By the public names alone; the line is in the log when it returns."""
    async with running(configured(tmp_path)) as runtime:
        interaction = (await runtime.complete(REQUEST)).interaction_id
        assert interaction is not None
        await runtime.give_feedback(interaction, arawn.Judgement("good", value=1, note="why"))

        (line,) = [line for line in lines(tmp_path) if line["kind"] == "feedback"]

    assert (line["interaction_id"], line["label"], line["value"], line["note"]) == (interaction, "good", 1.0, "why")


async def test_a_runtime_that_has_ended_takes_no_judgement(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """As it takes no call; nothing counts as lost, and nobody is told to give it again."""
    async with running(configured(tmp_path)) as runtime:
        interaction = (await runtime.complete(REQUEST)).interaction_id
        assert interaction is not None

    with caplog.at_level(logging.WARNING), pytest.raises(Stopped, match="the runtime has stopped"):
        await runtime.give_feedback(interaction, arawn.Judgement("good"))

    assert caplog.records == []
    with pytest.raises(Stopped):
        await runtime.complete(REQUEST)


async def test_a_judgement_that_the_end_overtakes_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The call was being looked for when the runtime ended: the line is not in the log."""
    looking, go_on = trio.Event(), threading.Event()

    def slow(*arguments: Any, **named: Any) -> Any:
        trio.from_thread.run_sync(looking.set)
        assert go_on.wait(5)
        return feedback_line(*arguments, **named)

    monkeypatch.setattr(judging, "feedback_line", slow)
    refused: list[Exception] = []

    async def give(give_it: Any) -> None:
        with pytest.raises(Stopped, match="the feedback was not written") as caught:
            await give_it()
        refused.append(caught.value)

    async with trio.open_nursery() as nursery:
        async with running(configured(tmp_path)) as runtime:
            interaction = (await runtime.complete(REQUEST)).interaction_id
            assert interaction is not None
            nursery.start_soon(give, partial(runtime.give_feedback, interaction, arawn.Judgement("good")))
            await looking.wait()
        go_on.set()

    assert len(refused) == 1
    assert not [line for line in lines(tmp_path) if line["kind"] == "feedback"]


async def test_where_the_log_cannot_be_read_a_judgement_can_be_given_again(tmp_path: Path) -> None:
    """As while its directory is moved away: an error with a type, over HTTP a 503; when it is back, it is taken."""
    log, elsewhere, body = tmp_path / "log", tmp_path / "elsewhere", {"label": "good"}
    async with running(configured(tmp_path)) as runtime, serving(app_of(runtime)) as served:
        interaction = (await runtime.complete(REQUEST)).interaction_id
        assert interaction is not None
        log.rename(elsewhere)
        with pytest.raises(arawn.LogWriteFailed, match=f"`{log}` cannot be read: No such file.*give it again"):
            await runtime.give_feedback(interaction, arawn.Judgement("good"))
        async with httpx.AsyncClient(base_url=served.url) as client:
            refused = await client.post(f"/interactions/{interaction}/feedback", json=body)
            lists = [await client.get(f"/interactions{path}") for path in ("", "/stats", "/search?q=x", "/latest")]
            elsewhere.rename(log)
            taken = await client.post(f"/interactions/{interaction}/feedback", json=body)

    assert [one.json()["error"]["type"] for one in (refused, *lists)] == ["log_unreadable"] * 5
    assert [one.status_code for one in (refused, *lists, taken)] == [503] * 5 + [201]


def full(*_: object) -> int:
    raise os_error(errno.ENOSPC)


async def test_a_judgement_that_is_not_written_in_time_is_no_success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a full disk: an error with a type, over HTTP a 503, past `answer_wait_ms`; what waited is written later."""
    async with running(configured(tmp_path, answer_wait_ms=50)) as runtime, serving(app_of(runtime)) as served:
        interaction = (await runtime.complete(REQUEST)).interaction_id
        assert interaction is not None
        with monkeypatch.context() as disk:
            disk.setattr(Filesystem, "write", full)
            with pytest.raises(
                arawn.LogWriteFailed, match=r"not in the interaction log yet: .*No space.*may be written"
            ):
                await runtime.give_feedback(interaction, arawn.Judgement("good"))
            async with httpx.AsyncClient(base_url=served.url) as client:
                refused = await client.post(f"/interactions/{interaction}/feedback", json={"label": "bad"})
            unwritten = [line["label"] for line in lines(tmp_path) if line["kind"] == "feedback"]

    assert (refused.status_code, refused.json()["error"]["type"]) == (503, "log_write_failed")
    assert unwritten == []
    assert [line["label"] for line in lines(tmp_path) if line["kind"] == "feedback"] == ["good", "bad"]


@pytest.mark.parametrize(("is_full", "taken"), [(False, True), (True, False)])
async def test_where_no_answer_waits_a_judgement_goes_by_the_state_of_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_full: bool, taken: bool
) -> None:
    """With `answer_wait_ms = 0` it is taken while the log is well, and not while it is known to be degraded."""
    async with running(configured(tmp_path, answer_wait_ms=0)) as runtime:
        interaction = (await runtime.complete(REQUEST)).interaction_id
        assert interaction is not None
        await wait_until(lambda: bool(lines(tmp_path)[1:]))
        with monkeypatch.context() as disk:
            if is_full:
                disk.setattr(Filesystem, "write", full)
                await runtime.complete(REQUEST)
                await wait_until(lambda: runtime.status().log.health.state == "degraded")
            with contextlib.nullcontext() if taken else pytest.raises(arawn.LogWriteFailed, match="log yet"):
                await runtime.give_feedback(interaction, arawn.Judgement("good"))


async def wait_until(reached: Callable[[], bool]) -> None:
    with trio.fail_after(5):
        while not reached():  # noqa: ASYNC110  # seen from outside
            await trio.sleep(0.01)


async def test_a_call_that_is_not_written_yet_is_not_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While records wait for room a client must not drop its judgement: 503 and not 404; then it is taken."""
    async with running(configured(tmp_path, answer_wait_ms=100)) as runtime, serving(app_of(runtime)) as served:
        async with httpx.AsyncClient(base_url=served.url) as client:
            with monkeypatch.context() as disk:
                disk.setattr(Filesystem, "write", full)
                interaction = (await runtime.complete(REQUEST)).interaction_id
                assert interaction is not None
                with pytest.raises(
                    arawn.LogWriteFailed, match=r"may not be written yet: the log is degraded \(.*No space"
                ):
                    await runtime.give_feedback(interaction, arawn.Judgement("good"))
                early = await client.post(f"/interactions/{interaction}/feedback", json={"label": "good"})
                shown = await client.get(f"/interactions/{interaction}")
            await wait_until(lambda: runtime.status().log.health.state == "ok")
            taken = await client.post(f"/interactions/{interaction}/feedback", json={"label": "good"})
            unknown = await client.post("/interactions/ffff/feedback", json={"label": "good"})

    assert [one.json()["error"]["type"] for one in (early, shown)] == ["log_write_failed"] * 2
    assert "x-should-retry" not in early.headers
    assert [one.status_code for one in (early, shown, taken, unknown)] == [503, 503, 201, 404]
