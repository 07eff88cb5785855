"""As many connections as there are places: who owns the machine still gets through, or is told what is wrong."""

from __future__ import annotations

import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import pytest

from arawn.wire.limits import Limits
from tests.arawn.cli.place import PATIENCE, SCRIPTED, Place
from tests.system.daemons import Daemon, running
from tests.system.daemons import place as place  # noqa: PLC0414  # a fixture

pytestmark = pytest.mark.slow  # real processes

PLACES = Limits().connections
FILES = 2 * PLACES + 256
UNDER_WAY = b"POST /chat HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10\r\n\r\n"  # its body is still to come


@pytest.fixture
def many_files() -> Iterator[None]:
    """Let this process, and the daemon that it starts, have enough files open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < FILES:
        pytest.skip(f"a process may have {hard} files open here, and this takes {FILES}")
    enough = soft if soft == resource.RLIM_INFINITY else max(soft, FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (enough, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextmanager
def crowd(daemon: Daemon) -> Iterator[None]:
    host, port = daemon.url.removeprefix("http://").split(":")
    with ExitStack() as stack:
        for _ in range(PLACES + 10):
            stack.enter_context(socket.create_connection((host, int(port))))
        yield


@contextmanager
def crowd_inside(place: Place, said: bytes = b"") -> Iterator[None]:
    with ExitStack() as stack:
        for _ in range(PLACES + 10):
            one = stack.enter_context(socket.socket(socket.AF_UNIX))
            one.settimeout(PATIENCE)
            one.connect(f"{place.environ['ARAWN_RUNTIME_DIR']}/arawn.sock")
            with suppress(BrokenPipeError):  # one above the limit was refused before it spoke
                one.sendall(said)
        yield


@pytest.mark.usefixtures("many_files")
def test_a_crowd_without_a_token_does_not_lock_the_commands_out(place: Place) -> None:
    """They come through the socket, whose places are its own."""
    place.configure(SCRIPTED)
    with running(place) as daemon:
        with crowd(daemon):
            status, stop = place.run("status"), place.run("stop")

        assert (status.returncode, stop.returncode, daemon.child.wait(PATIENCE)) == (0, 0, 0)


@pytest.mark.usefixtures("many_files")
def test_a_silent_crowd_on_the_socket_gives_way(place: Place) -> None:
    """Who says nothing keeps no command out."""
    place.configure(SCRIPTED)
    with running(place) as daemon:
        with crowd_inside(place):
            status, stop = place.run("status"), place.run("stop")

        assert (status.returncode, stop.returncode, daemon.child.wait(PATIENCE)) == (0, 0, 0)


@pytest.mark.usefixtures("many_files")
def test_a_busy_crowd_on_the_socket_is_named_and_stop_ends_the_daemon(place: Place) -> None:
    """No command takes the daemon for another program's."""
    place.configure(f"{SCRIPTED}shutdown_grace_s = 1\n")
    with running(place) as daemon:
        with crowd_inside(place, UNDER_WAY):
            status, stop = place.run("status"), place.run("stop")

        said = f"arawn: the daemon, process {daemon.child.pid}, has no place left for a connection of this kind"
        assert (status.returncode, status.stderr.startswith(said)) == (1, True)
        assert (stop.returncode, stop.stderr) == (0, f"process {daemon.child.pid} has ended\n")
        assert daemon.child.wait(PATIENCE) == 0
