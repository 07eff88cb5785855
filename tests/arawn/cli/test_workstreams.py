"""The commands on conversations, on their store and through a running daemon."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from tests.arawn.cli.conftest import Command
from tests.arawn.cli.place import Place
from tests.arawn.cli.terminal import Terminal


@pytest.fixture(params=["store", "daemon"])
def ready(request: pytest.FixtureRequest, place: Place) -> Iterator[None]:
    """Run everything twice: without a daemon, and with one."""
    if request.param == "store":
        yield
        return
    child = place.popen("start")
    assert child.stdout is not None
    assert any(line == "ready\n" for line in child.stdout)
    yield
    child.terminate()
    assert (child.wait(20), child.communicate()[1]) == (0, "")


@pytest.mark.slow
def test_a_workstream_from_beginning_to_end(ready: None, command: Command) -> None:
    """Made, shown, talked in, bound, listed, deleted."""
    assert command("workstreams", "new", "a b/".strip("/"), "-s", "be brief", "--tag", "k=v").code == 0
    assert command("ask", "-q", "-w", "a b", "hi").out == "echo: hi\n"
    assert command("workstreams", "bind", "a b", "fast").code == 0

    state = json.loads(command("workstreams", "show", "a b", "--json").out)
    listed = json.loads(command("workstreams", "list", "--json").out)
    assert (state["profile"], state["system_prompt"], state["tags"]) == ("fast", "be brief", {"k": "v"})
    assert [message["role"] for message in state["history"]] == ["user", "assistant"]
    assert [(one["name"], one["turns"]) for one in listed] == [("a b", 1)]
    assert command("workstreams", "rm", "a b", "--yes").code == 0
    assert json.loads(command("workstreams", "list", "--json").out) == []


@pytest.mark.slow
def test_what_was_deleted_is_forgotten(ready: None, command: Command) -> None:
    """A conversation of the same name begins afresh, although its actor was in memory."""
    command("ask", "-q", "-w", "x", "one")
    command("workstreams", "rm", "-y", "x")
    command("ask", "-q", "-w", "x", "two")

    assert json.loads(command("workstreams", "show", "x", "--json").out)["turns"] == 1


@pytest.mark.slow
def test_what_is_archived_takes_no_messages_until_it_is_back(ready: None, command: Command) -> None:
    """Although its actor was in memory when it was put away."""
    command("ask", "-q", "-w", "x", "one")
    assert command("workstreams", "archive", "x").code == 0

    refused = command("ask", "-q", "-w", "x", "two")
    assert (refused.code, refused.out) == (2, "")
    assert "archive --undo x" in refused.err
    assert json.loads(command("workstreams", "list", "--json").out) == []
    assert "x (archived)" in command("workstreams", "list", "--all").out
    command("workstreams", "archive", "--undo", "x")
    assert command("ask", "-q", "-w", "x", "two").out == "echo: two\n"


@pytest.mark.slow
def test_settings_reach_an_actor_that_failed_before(ready: None, command: Command) -> None:
    """Made after a first call that went nowhere, it has its settings all the same."""
    command("ask", "-q", "-w", "x", "-p", "nope", "hi")
    command("workstreams", "new", "x", "-p", "fast")

    assert json.loads(command("ask", "--json", "-w", "x", "hi").out)["profile"] == "fast"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["bind", "x", "nope"], "unknown profile `nope`; the profiles are: `default`, `fast`"),
        (["new", "x", "-p", "nope"], "unknown profile `nope`; the profiles are: `default`, `fast`"),
        (["show", "x"], "there is no workstream `x`"),
        (["archive", "x"], "there is no workstream `x`"),
        (["rm", "-y", "x"], "there is no workstream `x`"),
        (["rm", "x"], "there is no workstream `x`"),
        (["show", "a/b"], "'a/b' cannot name a workstream"),
        (["bind", " x", "fast"], "' x' cannot name a workstream"),
    ],
)
def test_what_cannot_be_is_wrong_use(command: Command, arguments: list[str], said: str) -> None:
    """One message, exit code 2."""
    result = command("workstreams", *arguments)

    assert (result.code, result.out) == (2, "")
    assert result.err.startswith(f"arawn: {said}")


@pytest.mark.slow
def test_the_daemon_refuses_in_the_same_words(place: Place, command: Command) -> None:
    """Whether a daemon runs makes no difference to a person."""
    alone = [command("workstreams", *words) for words in (["bind", "x", "nope"], ["show", "x"], ["show", "a/b"])]
    child = place.popen("start")
    assert child.stdout is not None
    assert any(line == "ready\n" for line in child.stdout)

    with_daemon = [command("workstreams", *words) for words in (["bind", "x", "nope"], ["show", "x"], ["show", "a/b"])]

    child.terminate()
    child.communicate(timeout=20)
    assert with_daemon == alone


def test_deleting_asks_first(command: Command) -> None:
    """No is no; silence is wrong use; yes deletes."""
    command("workstreams", "new", "x")

    assert command("workstreams", "rm", "x", piped="n\n").code == 1
    assert command("workstreams", "rm", "x").code == 2
    assert len(json.loads(command("workstreams", "list", "--json").out)) == 1
    assert command("workstreams", "rm", "x", piped="y\n").code == 0


def test_an_empty_list_says_so(command: Command) -> None:
    """And says where the archived ones are."""
    nothing = command("workstreams", "list")
    command("workstreams", "new", "x")
    command("workstreams", "archive", "x")
    archived = command("workstreams", "list")

    assert (len(nothing.out.splitlines()), nothing.err) == (1, "there is no conversation yet\n")
    assert "--all" in archived.err
    assert command("workstreams", "list", "--json").out == "[]\n"
    assert command("workstreams", "list", "--all").err == ""


@pytest.mark.parametrize(("option", "text", "at"), [("--system", "a\udcff", 1), ("--tag", "team=\udcff", 5)])
def test_a_setting_that_is_not_utf8_is_wrong_use(command: Command, option: str, text: str, at: int) -> None:
    """As a terminal of another encoding gives it; nothing is stored."""
    result = command("workstreams", "new", "x", option, text)

    assert (result.code, result.out) == (2, "")
    assert f"`{option}` is not UTF-8 (byte 0xff at {at})" in result.err
    assert "\nx" not in command("workstreams", "list").out


@pytest.mark.slow
@pytest.mark.parametrize("columns", [60, 80])
def test_a_long_name_takes_no_room_from_the_others(command: Command, place: Place, columns: int) -> None:
    """On a terminal it is cut, and each conversation is one line; piped, it is whole."""
    long = "n" * 200
    for name in (long, "x"):
        command("workstreams", "new", name, "-p", "fast", "--tag", "team=search")

    shown = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]|\r", "", Terminal(place, "workstreams", "list", columns=columns).rest())

    lines = shown.splitlines()
    assert [line.split()[:3] for line in lines[1:]] == [[lines[1].split()[0], "fast", "0"], ["x", "fast", "0"]]
    assert max(map(len, lines)) <= columns
    assert long in command("workstreams", "list").out
