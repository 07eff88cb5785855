"""Text with half a character in it, such as one that was decoded wrongly, is the caller's error, told by its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from trio.testing import MockClock

from arawn.config.schema import Config, InteractionLogConfig, LoggingConfig, WorkstreamsConfig
from arawn.errors import BadInput
from arawn.runtime import start_runtime
from tests.runtimes import ECHO, configured, running
from tests.serving import app_of, serving

HALF = [
    ({"system_prompt": "be \ud800 terse"}, "`system_prompt` holds half a character at position 3"),
    ({"tags": {"team": "\udcff"}}, "`tags.team` holds half a character at position 0"),
    ({"tags": {"a\udcff": "x"}}, "`tags` holds half a character at position 1"),
]


@pytest.mark.parametrize(("settings", "words"), HALF)
async def test_a_setting_with_half_a_character_is_refused_by_name(
    tmp_path: Path, autojump_clock: MockClock, settings: dict[str, Any], words: str
) -> None:
    """To make a workstream with and to change one to; nothing is stored."""
    async with running(configured(tmp_path)) as runtime:
        with pytest.raises(BadInput, match=words):
            await runtime.workstream("new").create(**settings)
        assert await runtime.stored_workstream("new") is None

        await runtime.workstream("old").create(system_prompt="terse", tags={"team": "a"})
        before = await runtime.stored_workstream("old")
        with pytest.raises(BadInput, match=words):
            await runtime.workstream("old").change(**settings)
        assert await runtime.stored_workstream("old") == before


async def test_a_setting_of_the_wrong_type_makes_no_workstream(tmp_path: Path, autojump_clock: MockClock) -> None:
    """It is refused by name, as a change is."""
    wrong: Any = b"terse"
    async with running(configured(tmp_path)) as runtime:
        with pytest.raises(BadInput, match="system_prompt"):
            await runtime.workstream("w").create(system_prompt=wrong)

        assert await runtime.stored_workstream("w") is None


@pytest.mark.parametrize(
    ("system", "words"),
    [
        ("a\ud800", "`system` holds half a character at position 1"),
        (" ", "`system` is empty"),
        (7, "`system` is a text, found int"),
    ],
)
async def test_a_system_prompt_that_cannot_be_sent_is_told_from_the_message(
    tmp_path: Path, autojump_clock: MockClock, system: Any, words: str
) -> None:
    """The refusal names what is wrong."""
    async with running(configured(tmp_path)) as runtime:
        with pytest.raises(BadInput, match=words):
            await runtime.workstream("w").send("hello", system=system)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/workstreams", rb'{"name": "new", "system_prompt": "be \ud800 terse"}'),
        ("PATCH", "/workstreams/old", rb'{"system_prompt": "be \ud800 terse"}'),
        ("PATCH", "/workstreams/old", rb'{"tags": {"team": "\udcff"}}'),
        ("POST", "/chat", rb'{"message": "hi", "workstream": "new", "system": "\ud800"}'),
    ],
)
async def test_half_a_character_over_http_is_an_invalid_request(
    tmp_path: Path, method: str, path: str, body: bytes
) -> None:
    """400, and nothing is stored or changed."""
    config = Config(
        profiles={"default": ECHO},
        workstreams=WorkstreamsConfig(database=str(tmp_path / "workstreams.db")),
        logging=LoggingConfig(InteractionLogConfig(enabled=False)),
    )
    async with start_runtime(config, {}) as runtime:
        await runtime.workstream("old").create(system_prompt="terse", tags={"team": "a"})
        before = await runtime.stored_workstream("old")
        app = app_of(runtime)
        async with serving(app) as served, httpx.AsyncClient(base_url=served.url) as client:
            answer = await client.request(method, path, content=body, headers={"content-type": "application/json"})

        assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request")
        assert await runtime.stored_workstream("old") == before
        assert await runtime.stored_workstream("new") is None
