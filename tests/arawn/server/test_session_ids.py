"""A session id goes into the log and into tables: what is not seen there is refused at every door."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from tests.arawn.server.test_openapi import HEADERS, whole_api
from tests.runtimes import records


@pytest.mark.parametrize(
    "more", [{}, {"stream": True}, {"workstream": "w"}, {"workstream": "w", "stream": True}], ids=str
)
async def test_a_session_id_that_would_forge_a_line_is_refused(tmp_path: Path, more: dict[str, object]) -> None:
    """As `x-arawn-session` is: before anything is sent, and the message says what is wrong with it."""
    async with whole_api(tmp_path) as url, httpx.AsyncClient(headers=HEADERS) as client:
        for odd in ("x\nWARNING forged", "\x1b[2J", "a\u202eb", "a\x9bb"):
            answer = await client.post(f"{url}/chat", json={"message": "hi", "session_id": odd, **more})

            assert answer.status_code == 400
            assert "`session_id` holds U+" in answer.json()["error"]["message"]
        answer = await client.post(f"{url}/chat", json={"message": "hi", "session_id": "né 1", **more})
        assert answer.status_code == 200

    assert [record["session_id"] for record in records(tmp_path)] == ["né 1"]
