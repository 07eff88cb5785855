"""What `server.allowed_hosts` may hold."""

from __future__ import annotations

import pytest

from arawn.config.rules import host_findings

ACCEPTED = "accepted: a name such as `arawn.example` or an address such as `10.0.0.7`, without scheme, port or pattern"


@pytest.mark.parametrize(
    "host",
    ["box", "Box.lan", "a-b.c_d.example", "box.lan.", "10.0.0.7", "::1", "[fe80::1]", "FE80::1", "1and1.com"],
)
def test_names_and_addresses_fit(host: str) -> None:
    """As they may stand in `Host`, in either case."""
    assert list(host_findings((host,))) == []


@pytest.mark.parametrize(
    ("host", "meant"),
    [
        ("*", ""),
        ("*.team.example", ""),
        ("", ""),
        ("a b", ""),
        ("10.0.0.0/8", ""),
        ("10.0.0.999", ""),
        ("bücher.example", ""),
        ("fe80::1%eth0", ""),
        ("http://[", ""),
        ("https://*.team.example", ""),
        ("arawn.team.example:443", "arawn.team.example"),
        ("https://arawn.team.example/", "arawn.team.example"),
        ("[fe80::1]:80", "fe80::1"),
    ],
)
def test_what_no_host_can_match_is_found(host: str, meant: str) -> None:
    """With what fits, and what was meant where that can be told."""
    (finding,) = host_findings(("box.lan", host))

    assert finding.path == ("server", "allowed_hosts", 1)
    assert finding.text == f"found `{host}`; {ACCEPTED}" + (f"; did you mean `{meant}`?" if meant else "")
