"""A reload of the real daemon drops no call."""

from __future__ import annotations

import signal
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.arawn.cli.place import Place
from tests.fake_provider import FakeProvider, Fault, events, openai_chunk, openai_stream, stream_reply
from tests.system.daemons import place as place  # noqa: PLC0414  # a fixture
from tests.system.daemons import records, running
from tests.system.test_faults import wait_until

pytestmark = pytest.mark.slow  # real processes


def test_a_call_under_way_is_not_dropped(place: Place) -> None:
    """It ends on the old backend, minutes later if need be, while the new one answers at once."""
    piece = events(openai_chunk(content="late"))
    custom = '[llm]\nbackend = "custom"\ndialect = "openai"\nbase_url = "{url}"\nmodel = "m"\n'
    config = custom + '[server]\nlisten = "127.0.0.1:0"\n'
    with (
        FakeProvider(stream_reply([*piece, Fault.STALL])) as slow,
        FakeProvider(stream_reply(openai_stream("quick"))) as quick,
    ):
        place.configure(config.format(url=slow.address))
        with running(place) as daemon, ThreadPoolExecutor(1) as pool:
            begun = pool.submit(daemon.chat, "hi", stream=True)
            wait_until(lambda: bool(slow.received))
            place.configure(config.format(url=quick.address))
            said = place.run("reload").stdout
            answered = daemon.chat("hi", stream=True).text
            under_way = not begun.done()
            shown = [line.split() for line in place.run("status").stdout.splitlines()]
            tree = httpx.get(f"{daemon.url}/status", headers={"x-api-key": daemon.token}).json()["tree"]
            slow.__exit__()
            cut = begun.result().text

    labels = [child["name"] for part in tree["children"] if part["name"] == "backends" for child in part["children"]]
    assert "replaced   default\ndraining   1:" in said
    assert '"text":"quick"' in answered
    assert under_way
    assert [row[3:6] for row in shown if row[:3] == ["default", "custom", "m"]] == [
        ["ready", "0", "0"],
        ["draining", "0", "1"],
    ]
    assert labels == ["backend:default", "backend:default~2"]
    assert '"text":"late"' in cut


@pytest.mark.slow
def test_reloads_in_a_row_drop_no_call(place: Place) -> None:
    """Twenty of them under load: every call is answered, every record is there."""
    script = place.directory / "slow.toml"
    script.write_text("[[steps]]\ndelay_s = 0.05\n")

    def written(number: int) -> str:
        return (
            f'[llm]\nbackend = "scripted"\nmodel = "m{number}"\nscript = "{script}"\n'
            'max_concurrency = 2\nmailbox = 16\n[server]\nlisten = "127.0.0.1:0"\n'
        )

    place.configure(written(0))
    with running(place) as daemon, ThreadPoolExecutor(12) as pool:
        answers = [pool.submit(daemon.chat, f"message {number}") for number in range(300)]
        for number in range(1, 21):
            place.configure(written(number))
            daemon.child.send_signal(signal.SIGHUP)
            time.sleep(0.1)
        replies = [answer.result() for answer in answers]
        code, err = daemon.end(signal.SIGTERM)

    assert code == 0
    assert set(err.splitlines()) == {"INFO arawn.reload: the configuration was read again: replaced default"}
    assert {reply.status_code for reply in replies} == {200}
    assert {reply.json()["interaction_id"] for reply in replies} == {record["id"] for record in records(place)}
    assert len({record["model_used"] for record in records(place)}) > 2
