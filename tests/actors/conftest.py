"""The fixture that every test with actors uses: a rig whose laws are checked when the test has ended."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator, Iterator

import pytest

from actors._mailbox import Mailbox
from actors.testing import no_leaks
from tests.actors.rig import Rig


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    with no_leaks():
        rig = Rig()
        yield rig
    rig.check()


@pytest.fixture(autouse=True)
def no_mailbox_left_open(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    open_boxes = [box.owner for box in gc.get_objects() if type(box) is Mailbox and not box.finished]
    assert open_boxes == [], f"{request.node.name} left mailboxes open"
