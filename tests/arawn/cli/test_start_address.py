"""The address that `arawn start` prints is one that its own door lets in."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from arawn.cli.start import address_to_use, only_loopback
from arawn.config.schema import ServerConfig
from arawn.server.auth import open_door


@pytest.mark.parametrize(
    ("url", "listen", "used"),
    [
        ("http://127.0.0.1:8470", "127.0.0.1:8470", "http://127.0.0.1:8470"),
        ("http://[::1]:5", "localhost:0", "http://[::1]:5"),
        ("http://0.0.0.0:5", "0.0.0.0:0", "http://127.0.0.1:5"),
        ("http://[::]:5", "[::]:0", "http://[::1]:5"),
        ("http://10.0.0.7:5", "10.0.0.7:0", "http://10.0.0.7:5"),
        ("http://10.0.0.7:5", "box.lan:0", "http://box.lan:5"),
        ("http://[fd00::7]:5", "[fd00::7]:0", "http://[fd00::7]:5"),
    ],
)
def test_the_address_is_one_that_the_door_knows(url: str, listen: str, used: str) -> None:
    """Every address is none, and a machine that listens by its name is known by that name."""
    shown = address_to_use(url, listen)

    assert shown == used
    host = urlsplit(shown).netloc.encode()
    assert open_door(ServerConfig(listen=listen), "t").knows_host({b"host": host})


@pytest.mark.parametrize(
    ("url", "hosts", "warned"),
    [
        ("http://0.0.0.0:8470", (), True),
        ("http://[::]:8470", (), True),
        ("http://0.0.0.0:8470", ("box.lan",), False),
        ("http://127.0.0.1:8470", (), False),
        ("http://10.0.0.7:8470", (), False),
    ],
)
def test_every_address_without_a_name_is_warned_of(url: str, hosts: tuple[str, ...], warned: bool) -> None:
    """Whoever opens it to the network would find it answering nobody there."""
    said = only_loopback(url, ServerConfig(listen=url.removeprefix("http://"), allowed_hosts=hosts))

    assert (said is not None) is warned
    assert said is None or "`server.allowed_hosts`" in said
