"""What `ask` and `chat` say when the daemon that answers goes away."""

from __future__ import annotations

import signal
import subprocess

import pytest

from tests.arawn.cli.place import PATIENCE, Place
from tests.system.daemons import records, running

SLOW = '[[steps]]\ntext = "one two"\ntoken_delay_s = 600.0\n'


@pytest.fixture
def slow(place: Place) -> Place:
    script = place.directory / "slow.toml"
    script.write_text(SLOW)
    server = '[server]\nlisten = "127.0.0.1:0"\nshutdown_grace_s = 0.1\n'
    place.configure(f'[llm]\nbackend = "scripted"\nscript = "{script}"\n{server}')
    return place


@pytest.mark.slow
@pytest.mark.parametrize("command", ["ask", "chat"])
@pytest.mark.parametrize(("number", "recorded"), [(signal.SIGTERM, 1), (signal.SIGKILL, 0)])
def test_a_daemon_that_goes_away_is_one_message(
    slow: Place, command: str, number: signal.Signals, recorded: int
) -> None:
    """It says what may have become of the record: a stopped daemon has written it, a killed one has not."""
    with running(slow) as daemon:
        child = slow.popen(command, stdin=subprocess.PIPE)
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write("hi\n")
        child.stdin.close()
        assert child.stdout.read(3) == "one"
        daemon.child.send_signal(number)
        assert child.stderr is not None
        said = child.stderr.read()
        code = child.wait(PATIENCE)
        daemon.child.wait(PATIENCE)
        child.stdout.close()
        child.stderr.close()

    assert code == 1
    assert len(said.splitlines()) == 1
    wanted = {
        signal.SIGTERM: "was stopped before the answer was whole; the model may have been asked",
        signal.SIGKILL: "went away before it had answered; a daemon that was stopped has recorded the call, and "
        "`arawn interactions list` shows it; one that was killed may have left no record",
    }
    assert wanted[number] in said
    assert len(records(slow)) == recorded
