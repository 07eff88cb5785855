"""What a new workstream can be called, and that old ones stay reachable."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from arawn.errors import BadInput
from arawn.workstreams.names import require_name, require_new_name
from arawn.workstreams.store import WorkstreamState, WorkstreamStore
from tests.runtimes import ECHO, configured, records, running

REFUSED = [
    (".", "HTTP clients take it out of a path"),
    ("..", "HTTP clients take it out of a path"),
    ("a\u202eb", r"'a\\u202eb' .* U\+202E"),
    ("a\u2066b", r"U\+2066"),
    ("a\u200fb", r"U\+200F"),
    ("a\x9bb", r"U\+009B"),
    ("a\u2028b", r"U\+2028"),
]


@pytest.mark.parametrize(("name", "why"), REFUSED)
def test_a_new_name_can_be_addressed_and_shown(name: str, why: str) -> None:
    """What cannot be is refused with the reason; a workstream that has such a name can still be asked for."""
    with pytest.raises(BadInput, match=why):
        require_new_name(name)

    assert require_name(name) == name


@pytest.mark.parametrize("name", ["...", ".hidden", "שלום", "👩‍👩‍👧", "a b", "日本"])
def test_names_of_every_language_are_accepted(name: str) -> None:
    """So are dots in a name that is more than one or two of them."""
    assert require_new_name(name) == name


@pytest.mark.parametrize("name", ["..", "a\u202eb"])
async def test_no_door_makes_a_workstream_of_such_a_name(tmp_path: Path, name: str) -> None:
    """Neither the first message, nor a creation, nor a binding; nothing was sent, nothing is stored, or started."""
    async with running(configured(tmp_path, {"default": ECHO, "fast": ECHO})) as runtime:
        talk = runtime.workstream(name)
        bound = runtime.workstream(name, "fast")
        for act in (talk.send("one"), bound.send("one"), talk.create(), talk.bind("fast"), talk.archive()):
            with pytest.raises(BadInput, match="cannot name a workstream"):
                await act
        with pytest.raises(BadInput, match="cannot name a workstream"):
            async with talk.stream("one"):
                pass
        stored = await runtime.workstreams()
        assert runtime.status().active_workstreams == ()

    assert (stored, records(tmp_path)) == ([], [])


async def test_an_old_name_goes_on(tmp_path: Path) -> None:
    """A conversation of before is spoken in, changed and deleted under the name that it has."""
    config = configured(tmp_path)
    with closing(WorkstreamStore(tmp_path / "state" / "workstreams.db")) as store:
        store.create(WorkstreamState(name="old"))
        store._db.execute("UPDATE workstreams SET name = '..'")
    async with running(config) as runtime:
        talk = runtime.workstream("..")
        await talk.send("one")
        changed = await talk.archive(archived=False)
        removed = await talk.remove()

    assert (changed, removed) == (True, True)


@pytest.mark.parametrize("name", ["..", "a\u202eb"])
def test_the_store_itself_makes_none(tmp_path: Path, name: str) -> None:
    """As the commands do that write without a daemon; the transaction is undone."""
    with closing(WorkstreamStore(tmp_path / "w.db")) as store:
        with pytest.raises(BadInput, match="cannot name a workstream"):
            store.create(WorkstreamState(name=name))
        with pytest.raises(BadInput, match="cannot name a workstream"):
            store.change(WorkstreamState(name=name, profile="p"), {"profile"})

        assert store.list() == []


@pytest.mark.parametrize("name", [5, None, b"x"])
def test_what_is_no_text_is_told_as_that(name: Any) -> None:
    """Not as a text of the wrong length: `'5' cannot name` sends one looking for the wrong mistake."""
    with pytest.raises(BadInput, match=f"name of a workstream is a str, found {type(name).__name__}"):
        require_name(name)
