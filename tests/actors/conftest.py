"""The fixture that every test with actors uses: a rig whose laws are checked when the test has ended."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator, Iterator

import pytest
import trio

from actors._mailbox import Mailbox
from actors.testing import no_leaks
from tests.actors.rig import Rig

PATIENCE_S = 86_400.0


@pytest.fixture
async def rig(nursery: trio.Nursery) -> AsyncIterator[Rig]:
    nursery.start_soon(lose_patience)
    with no_leaks():
        rig = Rig()
        yield rig
    rig.check()


async def lose_patience() -> None:
    """Fail a test that would hang: on the virtual clock a day passes as soon as all other tasks wait for ever."""
    await trio.sleep(PATIENCE_S)
    raise AssertionError("a day has passed: some task waits for ever")


@pytest.fixture(autouse=True)
def no_mailbox_left_open(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    open_boxes = [box.owner for box in gc.get_objects() if type(box) is Mailbox and not box.finished]
    assert open_boxes == [], f"{request.node.name} left mailboxes open"
