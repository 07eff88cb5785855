"""What the daemon's stderr says of a profile that fails for a while."""

from __future__ import annotations

import signal

import pytest

from tests.arawn.cli.place import Place
from tests.fake_provider import FakeProvider, Reply
from tests.system.daemons import place as place  # noqa: PLC0414  # a fixture
from tests.system.daemons import running
from tests.system.test_faults import wait_until

pytestmark = pytest.mark.slow  # real processes

CONFIG = """
[llm]
backend = "custom"
dialect = "openai"
base_url = "{url}"
model = "m"
retry = {{ attempts = 1 }}

[server]
listen = "127.0.0.1:0"
"""
DOWN = Reply(status=503, body=b'{"error": {"message": "overloaded"}}')
UP = Reply(body=b'{"choices": [{"message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}]}')


def test_each_change_of_a_profile_is_a_line_on_stderr(place: Place) -> None:
    """Degraded, open, ready: three lines, however many calls found it so."""
    with FakeProvider(*[DOWN] * 5, UP) as provider:
        place.configure(CONFIG.format(url=provider.address))
        with running(place) as daemon:
            statuses = [daemon.chat("hi").status_code for _ in range(6)]
            wait_until(lambda: daemon.chat("hi").is_success)
            code, said = daemon.end(signal.SIGTERM)

    degraded, opened, ready = said.splitlines()
    assert (code, statuses) == (0, [503] * 6)
    assert degraded.startswith("WARNING arawn.backends: profile `default` is degraded: ")
    assert "overloaded; try again later; `arawn backends test default` asks it again" in degraded
    assert "profile `default` is open: 5 calls in a row failed; last: " in opened
    assert ready == "WARNING arawn.backends: profile `default` is ready; it was open"
