"""What a tool server says on stderr: in the program's log, and in the error if it does not start."""

from __future__ import annotations

import logging
from collections import deque

import pytest
import trio.testing

from arawn.agent.stderr_log import open_stderr_log
from arawn.interactions.redact import redact


def mask(line: str) -> str:
    return str(redact(line, ["open-sesame-1"])[0])


@pytest.mark.parametrize("before", ["no entry with ", "x" * 4090 + " "])
async def test_secrets_are_masked_in_the_log_and_in_the_last_words(
    before: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Before the line is cut: half a secret is found by nobody."""
    caplog.set_level(logging.INFO, "arawn.tools")
    last: deque[str] = deque(maxlen=5)
    async with open_stderr_log("x", last, mask) as stderr:
        print(f"{before}open-sesame-1", file=stderr, flush=True)
        print("plain", file=stderr, flush=True)

    first, second = caplog.messages
    assert second == "x: plain"
    assert first == f"x: {last[0]}"
    assert last[0].startswith(before)
    assert "open" not in first
    assert f"{before}[redacted:secret:".startswith(last[0][: len(before) + 5])


async def test_of_a_line_that_comes_in_pieces_the_beginning_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """However long it gets: its end would begin anywhere, perhaps within a secret."""
    caplog.set_level(logging.INFO, "arawn.tools")
    last: deque[str] = deque(maxlen=5)
    async with open_stderr_log("x", last, mask) as stderr:
        for piece in ("open-sesame-1" + "y" * 4090, "z" * 4090, "z" * 4090, "\n"):
            print(piece, end="", file=stderr, flush=True)
            await trio.testing.wait_all_tasks_blocked(0.01)

    assert "sesame-1" not in caplog.text
    assert last[0].startswith("[redacted:secret:")
    assert len(last[0]) <= 4096
