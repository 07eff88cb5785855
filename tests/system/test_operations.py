"""What the running daemon shows of itself: to programs and to people the same."""

from __future__ import annotations

import json
import signal
import subprocess
from typing import Any

import httpx
import pytest

from tests.arawn.cli.place import PATIENCE, SCRIPTED, Place
from tests.arawn.cli.terminal import Terminal
from tests.system.daemons import Daemon, running
from tests.system.daemons import place as place  # noqa: PLC0414  # a fixture

pytestmark = pytest.mark.slow  # real processes


@pytest.fixture
def configured(place: Place) -> Place:
    place.configure(SCRIPTED)
    return place


def get(daemon: Daemon, path: str) -> httpx.Response:
    return httpx.get(f"{daemon.url}{path}", headers={"x-api-key": daemon.token})


def shown(place: Place, *arguments: str) -> Any:
    done = place.run(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_routes_say_what_the_commands_say(configured: Place) -> None:
    """Backends, the list of calls, one call, the status: the same JSON."""
    with running(configured) as daemon:
        daemon.chat("hello", tags={"team": "search"})
        backends, status = get(daemon, "/backends").json(), get(daemon, "/status").json()
        judged = configured.run("interactions", "feedback", "latest", "good")
        assert judged.returncode == 0, judged.stderr
        listed, latest = get(daemon, "/interactions").json(), get(daemon, "/interactions/latest").json()
        listing, page = shown(configured, "backends", "list"), shown(configured, "status")

        assert listed == shown(configured, "interactions", "list")
        assert latest == shown(configured, "interactions", "show", "latest")
        assert [one["label"] for one in latest["feedback"]] == ["good"]
        assert backends == status["backends"] == page["backends"]
        assert listing == [{name: one[name] for name in listing[0]} for one in backends]


def test_the_socket_needs_no_trusted_roots(configured: Place) -> None:
    """They are not read, which takes a tenth of a second; so a missing file of them keeps no command out."""
    with running(configured):
        configured.environ["SSL_CERT_FILE"] = "/no/such/file"
        assert shown(configured, "status")["backends"]


def test_a_start_on_every_address_says_who_is_answered(place: Place) -> None:
    """Loopback names alone, until others are listed; the address that is printed works."""
    every = SCRIPTED.replace("127.0.0.1:0", "0.0.0.0:0")
    said = []
    for hosts in ("[]", '["box.lan"]'):
        place.configure(f"{every}allowed_hosts = {hosts}\n")
        with running(place) as daemon:
            answered = daemon.chat("hello"), get(daemon, "/status")
            under_a_name = httpx.get(f"{daemon.url}/status", headers={"x-api-key": daemon.token, "host": "box.lan"})
            _, err = daemon.end(signal.SIGTERM)
        assert [one.status_code for one in answered] == [200, 200]
        assert f"export OPENAI_BASE_URL={daemon.url}/v1" in daemon.said
        said.append((under_a_name.status_code, "answered under loopback names only" in err))

    assert said == [(403, True), (200, False)]


def test_a_start_without_a_token_says_who_comes_in(place: Place) -> None:
    """In one line on stderr; with a token there is nothing to say."""
    said = []
    for setting in ("", 'auth = "none"\n', 'auth = "none"\n[logging.interactions]\nenabled = false\n'):
        place.configure(SCRIPTED + setting)
        with running(place) as daemon:
            _, err = daemon.end(signal.SIGTERM)
        said.append([line for line in err.splitlines() if 'no token is asked for (`server.auth = "none"`)' in line])

    assert [len(lines) for lines in said] == [0, 1, 1]
    assert "every user of this machine can read the log, and ask at your cost" in said[1][0]
    assert "every user of this machine can ask at your cost" in said[2][0]


def test_the_start_says_what_to_export(configured: Place) -> None:
    """A shell that runs the lines has the addresses and the token, which itself is never printed."""
    with running(configured) as daemon:
        lines = [line for line in daemon.said if line.startswith("export ")]
        script = "\n".join([*lines, 'echo "$OPENAI_BASE_URL $OPENAI_API_KEY $ANTHROPIC_BASE_URL $ANTHROPIC_API_KEY"'])
        echoed = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout

        assert echoed.split() == [f"{daemon.url}/v1", daemon.token, daemon.url, daemon.token]
        assert daemon.token not in "\n".join(daemon.said)


def test_the_token_is_not_printed_on_a_terminal_either(configured: Place) -> None:
    """A screen is shared and recorded more easily than a file is read."""
    terminal = Terminal(configured, "start", columns=200)
    terminal.wait_for("export OPENAI_API_KEY=")
    token = (configured.directory / "state" / "token").read_text().strip()
    terminal.wait_for("ready")
    seen = terminal._seen
    terminal.interrupt()

    assert token not in seen + terminal.rest()


@pytest.mark.parametrize("table", ["llm", "llm_profiles.a"])
def test_the_command_that_the_start_suggests_works(configured: Place, table: str) -> None:
    """As it is printed, also where there is no default profile; there is no token among its arguments."""
    configured.configure(SCRIPTED.replace("[llm]", f"[{table}]"))
    with running(configured) as daemon:
        (line,) = (line for line in daemon.said if line.startswith("curl "))
        answer = subprocess.run(["sh", "-c", f"{line} --silent"], capture_output=True, text=True, check=False)

        assert "token" not in line
        if answer.returncode == 127:
            pytest.skip("there is no curl here")
        assert json.loads(answer.stdout)["text"] == "echo: hello"


def test_a_watch_that_is_piped_is_a_line_each_time(configured: Place) -> None:
    """It ends with one message when the daemon ends."""
    with running(configured) as daemon:
        child = configured.popen("status", "--watch", "--every", "0.1")
        assert child.stdout is not None
        lines = [child.stdout.readline() for _ in range(3)]
        assert daemon.end(signal.SIGTERM) == (0, "")
        _, said = child.communicate(timeout=PATIENCE)

    assert all("  log ok  default ready, 0 queued, 0 in hand, 0 restarts  fast ready," in line for line in lines)
    assert (child.returncode, said) == (1, f"arawn: the daemon, process {daemon.child.pid}, has ended\n")


def test_a_piped_watch_says_why_a_profile_is_not_well(configured: Place) -> None:
    """On the same line, as the table does."""
    configured.configure(SCRIPTED + '[llm_profiles.keyless]\nbackend = "groq"\nmodel = "m"\n')
    with running(configured):
        child = configured.popen("status", "--watch", "--every", "0.1")
        assert child.stdout is not None
        line = child.stdout.readline()
        child.kill()
        child.communicate()

    assert "  keyless unavailable, 0 queued, 0 in hand, 0 restarts (profile `keyless`" in line
    assert "GROQ_API_KEY" in line


def test_too_few_open_files_are_told_at_the_start(configured: Place) -> None:
    """It runs all the same."""
    configured.before = ("sh", "-c", 'ulimit -n 90; exec "$@"', "sh")
    with running(configured) as daemon:
        code, said = daemon.end(signal.SIGTERM)

    assert code == 0
    assert "32 calls at once need 128, this process allows 90; raise `ulimit -n` or `LimitNOFILE=`" in said


def test_a_watch_as_json_is_a_document_each_time(configured: Place) -> None:
    """One a line, and Ctrl-C ends it without a word."""
    with running(configured) as daemon:
        child = configured.popen("status", "--watch", "--every", "0.1", "--json")
        assert child.stdout is not None
        found = [json.loads(child.stdout.readline()) for _ in range(2)]
        child.send_signal(signal.SIGINT)
        _, said = child.communicate(timeout=PATIENCE)

    assert [one["pid"] for one in found] == [daemon.child.pid] * 2
    assert found[0]["uptime_s"] < found[1]["uptime_s"]
    assert (child.returncode, said) == (130, "")


def test_a_watch_on_a_terminal_draws_over_itself(configured: Place) -> None:
    """Again and again until Ctrl-C, after which the cursor is back."""
    with running(configured):
        terminal = Terminal(configured, "status", "--watch", "--every", "0.1", columns=120)
        for _ in range(3):
            terminal.wait_for("in memory")
        terminal.interrupt()
        last = terminal.rest()

    assert "\x1b[?25h" in last
    assert terminal.child.returncode == 130


def test_without_a_daemon_there_is_nothing_to_watch(configured: Place) -> None:
    """One message, code 1."""
    done = configured.run("status", "--watch")

    assert (done.returncode, done.stdout) == (1, "")
    assert "`arawn start` runs one" in done.stderr
