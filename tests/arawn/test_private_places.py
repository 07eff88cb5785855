"""What Arawn makes, it makes for its own user alone, whatever the umask."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from arawn.daemon import _listen_on_socket
from arawn.interactions.filesystem import Filesystem, make_directories
from arawn.running_daemons import RunningDaemon, announced
from arawn.server.auth import ensure_token
from arawn.workstreams.store import WorkstreamStore


def _keep_token(place: Path) -> None:
    ensure_token(place, {})


def _keep_store(place: Path) -> None:
    with closing(WorkstreamStore(place / "workstreams.db")) as store:
        store.hold()


def _announce(place: Path) -> None:
    with announced(place, RunningDaemon(os.getpid(), None, ())):
        (file,) = place.iterdir()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def _listen(place: Path) -> None:
    with ExitStack() as stack:
        _listen_on_socket(place / "s", stack)


@pytest.fixture(params=[0o000, 0o022, 0o777])
def _umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


@pytest.mark.usefixtures("_umask")
@pytest.mark.parametrize("make", [_keep_token, _keep_store, _announce, _listen])
def test_directories_and_files_are_private_under_any_umask(tmp_path: Path, make: Callable[[Path], None]) -> None:
    """Parents included: whoever may write to one of them may replace what is below."""
    make(tmp_path / "local" / "state" / "arawn")

    made = sorted(tmp_path.rglob("*"))
    assert len(made) >= 3
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in made if path.is_dir()} == dict.fromkeys(
        ("local", "state", "arawn"), 0o700
    )
    assert {stat.S_IMODE(path.stat().st_mode) for path in made if path.is_file()} <= {0o600}


def test_what_another_process_makes_meanwhile_is_no_error(tmp_path: Path) -> None:
    """Two starts at once both go on."""

    class Second(Filesystem):
        def mkdir(self, path: Path, mode: int) -> None:
            path.mkdir(mode)
            super().mkdir(path, mode)

    make_directories(Second(), tmp_path / "a" / "b")

    assert (tmp_path / "a" / "b").is_dir()
