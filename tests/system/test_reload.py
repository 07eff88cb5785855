"""Reload of the real daemon: by the command, by the route, by SIGHUP."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.arawn.cli.place import PATIENCE, Place
from tests.system.daemons import Daemon, running
from tests.system.daemons import place as place  # noqa: PLC0414  # a fixture

pytestmark = pytest.mark.slow  # real processes

BASE = """
[llm]
backend = "scripted"
model = "one"

[server]
listen = "127.0.0.1:0"
"""
FAST = """
[llm_profiles.fast]
backend = "scripted"
model = "{model}"
"""


def marks(place: Place, event: str = "configuration") -> list[dict[str, Any]]:
    """Return the details of every such mark."""
    lines = [json.loads(line) for file in sorted(place.log.glob("*.jsonl")) for line in file.read_text().splitlines()]
    return [line["detail"] for line in lines if line["kind"] == "mark" and line["event"] == event]


def profiles(daemon: Daemon) -> dict[str, str]:
    listed = httpx.get(f"{daemon.url}/backends", headers={"x-api-key": daemon.token}).json()
    return {one["profile"]: one["model"] for one in listed}


def wait_until(met: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not met():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_reload_starts_replaces_and_stops_profiles(place: Place) -> None:
    """The command says which; calls by the names of now work; the log has a mark with the hash."""
    place.configure(BASE + FAST.format(model="a"))
    with running(place) as daemon:
        place.configure(BASE + FAST.format(model="b") + '[llm_profiles.new]\nbackend = "scripted"\nmodel = "n"\n')
        said = place.run("reload")
        then = profiles(daemon)
        place.configure(BASE)
        report = json.loads(place.run("reload", "--json").stdout)
        refused = daemon.chat("hi", routing_profile="fast")

    assert (said.returncode, said.stdout) == (0, "started    new\nreplaced   fast\nunchanged  default\n")
    assert then == {"default": "one", "fast": "b", "new": "n"}
    assert (report["stopped"], report["unchanged"]) == (["fast", "new"], ["default"])
    assert (refused.status_code, refused.json()["error"]["type"]) == (400, "unknown_profile")
    assert [(mark["started"], mark["stopped"]) for mark in marks(place)] == [(["new"], []), ([], ["fast", "new"])]
    assert marks(place)[-1]["config_sha256"] == report["config_sha256"]


def test_a_reload_that_changes_nothing_has_the_hash_of_the_start(place: Place) -> None:
    """So the log tells which configuration each line was written under."""
    place.configure(BASE)
    with running(place):
        report = json.loads(place.run("reload", "--json").stdout)

    assert [mark["config_sha256"] for mark in marks(place, "start")] == [report["config_sha256"]]


def test_a_reload_names_the_settings_that_hold_from_now_on(place: Place) -> None:
    """Beside profiles, by key."""
    place.configure(BASE)
    with running(place):
        place.configure(BASE + "[agent]\nmax_iterations = 3\n")
        said = place.run("reload")

    assert (said.returncode, said.stdout) == (0, "unchanged  default\nsettings   agent.max_iterations\n")


def test_a_wrong_configuration_changes_nothing(place: Place) -> None:
    """Every problem is listed; exit code 2; the daemon goes on with the old one."""
    place.configure(BASE + FAST.format(model="a"))
    with running(place) as daemon:
        place.configure(BASE.replace("scripted", "nope") + '[llm_profiles.x]\nbackend = "scripted"\ntypo = 1\n')
        refused = place.run("reload")

        assert (refused.returncode, refused.stdout) == (2, "")
        assert "nothing was changed" in refused.stderr
        assert "llm.backend" in refused.stderr
        assert "llm_profiles.x.typo" in refused.stderr
        assert profiles(daemon) == {"default": "one", "fast": "a"}
        assert daemon.chat("hi").json()["text"] == "echo: hi"
        assert marks(place) == []


def test_a_file_that_is_gone_changes_nothing(place: Place) -> None:
    """Whether the command asks or SIGHUP, though the rest would make a configuration; put back, it is read again."""
    place.environ["ARAWN_LLM__BACKEND"] = "scripted"
    place.configure(BASE + FAST.format(model="a"))
    path, aside = place.log.parent / "config.toml", place.directory / "aside"
    with running(place) as daemon:
        path.rename(aside)
        refused = place.run("reload")
        daemon.child.send_signal(signal.SIGHUP)
        time.sleep(0.5)
        then = profiles(daemon)
        aside.rename(path)
        again = place.run("reload")
        _, err = daemon.end(signal.SIGTERM)

    assert (refused.returncode, refused.stdout) == (2, "")
    assert "nothing was changed" in refused.stderr
    assert f"{path}: the file is gone" in refused.stderr
    assert f"{path}: the file is gone" in err
    assert then == {"default": "one", "fast": "a"}
    assert (again.returncode, again.stdout) == (0, "unchanged  default, fast\n")


def test_a_named_file_that_is_gone_changes_nothing(place: Place) -> None:
    """As for one that was found."""
    path = place.directory / "named.toml"
    path.write_text(BASE)
    child = place.popen("start", "--config", str(path))
    try:
        daemon = Daemon(place, child)
        path.unlink()
        refused = place.run("reload")
        then = profiles(daemon)
    finally:
        child.kill()
        child.communicate()

    assert (refused.returncode, f"{path}: no such file" in refused.stderr) == (2, True)
    assert then == {"default": "one"}


def test_a_file_that_has_come_since_is_read(place: Place) -> None:
    """At a place that is searched; it may go again, since the daemon was not started with it."""
    place.configure(BASE)
    project = place.directory / "arawn.toml"
    with running(place):
        project.write_text(FAST.format(model="a"))
        came = place.run("reload").stdout
        project.unlink()
        went = place.run("reload").stdout

    assert (came, went) == ("started    fast\nunchanged  default\n", "stopped    fast\nunchanged  default\n")


def test_a_profile_that_comes_back_is_there_once(place: Place) -> None:
    """In the table, in `/metrics`, for `doctor`."""
    place.configure(BASE + FAST.format(model="a"))
    with running(place) as daemon:
        for text in (BASE, BASE + FAST.format(model="a")) * 2:
            place.configure(text)
            report = json.loads(place.run("reload", "--json").stdout)
        shown = place.run("status").stdout
        metrics = httpx.get(f"{daemon.url}/metrics", headers={"x-api-key": daemon.token}).text
        doctor = place.run("doctor").stdout

    assert (report["started"], report["draining"]) == (["fast"], 0)
    assert [line.split()[3] for line in shown.splitlines() if line.startswith("fast ")] == ["ready"]
    assert 'arawn_calls_in_flight{profile="fast"} 0\n' in metrics
    assert "draining" not in shown + doctor


def test_a_profile_that_cannot_be_built_changes_nothing(place: Place) -> None:
    """Though the file itself is right."""
    place.configure(BASE)
    with running(place) as daemon:
        place.configure(BASE + FAST.format(model="a") + '[llm_profiles.s]\nbackend = "scripted"\nscript = "/no/file"\n')
        refused = place.run("reload")

        assert refused.returncode == 2
        assert "`s`" in refused.stderr
        assert profiles(daemon) == {"default": "one"}


def test_a_refusal_lists_what_config_check_lists(place: Place) -> None:
    """Line by line: a model that is not there beside tools that cannot be used."""
    place.configure(BASE)
    with running(place) as daemon:
        place.configure(
            BASE
            + '[llm_profiles.s]\nbackend = "local"\nmodel = "/no/model.gguf"\n'
            + '[tools.one]\ncommand = ["no-such-program"]\n[tools.two]\npython = "no_such_module:x"\n'
        )
        refused, checked = place.run("reload"), place.run("config", "check")

        assert (refused.returncode, checked.returncode) == (2, 2)
        assert profiles(daemon) == {"default": "one"}
    listed = checked.stderr.splitlines()[1:]
    assert len(listed) == 3
    assert refused.stderr.splitlines()[1:] == listed


def test_a_profile_that_cannot_be_used_yet_is_named(place: Place) -> None:
    """The reload counts; the command says which profile lacks what, and JSON stays JSON."""
    keyless = FAST.format(model="a") + '[llm_profiles.k]\nbackend = "groq"\nmodel = "m"\n'
    place.configure(BASE)
    with running(place):
        place.configure(BASE + keyless)
        said = place.run("reload")
        place.configure(BASE + keyless.replace('"m"', '"n"'))
        again = place.run("reload", "--json")

    assert (said.returncode, said.stdout) == (0, "started    fast, k\nunchanged  default\n")
    assert said.stderr.startswith("arawn: profile `k` is unavailable: ")
    assert "GROQ_API_KEY" in said.stderr
    assert json.loads(again.stdout)["replaced"] == ["k"]
    assert "`k`" in again.stderr


def test_what_needs_a_restart_is_named(place: Place) -> None:
    """By its key; the rest takes effect."""
    place.configure(BASE)
    with running(place) as daemon:
        place.configure(
            BASE.replace(":0", ":1") + "[logging.interactions]\nretention_days = 3\n" + FAST.format(model="a")
        )
        said = place.run("reload")

        assert said.stdout.startswith("started    fast\n")
        assert said.stderr == (
            "arawn: these are changed and wait for a restart: logging.interactions.retention_days, server.listen\n"
        )
        assert profiles(daemon) == {"default": "one", "fast": "a"}


def test_sighup_reloads(place: Place) -> None:
    """Also twice at once; a wrong configuration is one warning and does no harm."""
    place.configure(BASE)
    with running(place) as daemon:
        place.configure("nonsense = 1\n")
        daemon.child.send_signal(signal.SIGHUP)
        assert daemon.child.stderr is not None
        assert "nothing was changed" in daemon.child.stderr.readline()
        assert profiles(daemon) == {"default": "one"}

        place.configure(BASE + FAST.format(model="a"))
        daemon.child.send_signal(signal.SIGHUP)
        daemon.child.send_signal(signal.SIGHUP)
        wait_until(lambda: profiles(daemon) == {"default": "one", "fast": "a"})
        code, err = daemon.end(signal.SIGTERM)

    assert code == 0
    assert "nothing was changed" not in err
    assert "arawn.reload: the configuration was read again: started fast\n" in err


def test_a_token_that_has_changed_waits_for_a_restart(place: Place) -> None:
    """The reload says so, and the one of the start goes on to count."""
    place.configure(BASE)
    with running(place) as daemon:
        (place.directory / "state" / "token").write_text("another-one\n")
        said = place.run("reload")
        status = [
            httpx.get(f"{daemon.url}/status", headers={"x-api-key": token}) for token in (daemon.token, "another-one")
        ]

    assert said.stderr == "arawn: these are changed and wait for a restart: token\n"
    assert [each.status_code for each in status] == [200, 401]
    assert "held at the daemon's start" in status[1].text


def test_the_network_cannot_reload(place: Place) -> None:
    """Not even with the token."""
    place.configure(BASE)
    with running(place) as daemon:
        refused = httpx.post(f"{daemon.url}/reload", headers={"x-api-key": daemon.token})

    assert (refused.status_code, refused.json()["error"]["type"]) == (403, "socket_only")


def test_without_a_daemon_there_is_nothing_to_reload(place: Place) -> None:
    """One message that says what to do; code 1."""
    place.configure(BASE)
    done = place.run("reload")

    assert (done.returncode, "`arawn start` runs one" in done.stderr) == (1, True)
