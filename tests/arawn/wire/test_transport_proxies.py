"""When the stock transport is needed, by the environment's word."""

from __future__ import annotations

import httpx
import pytest

from arawn.wire.proxies import uses_proxy

PROXY = "http://proxy.test:3128"


@pytest.mark.parametrize(
    ("url", "environ", "expected"),
    [
        ("http://a.test/", {}, False),
        ("http://a.test/", {"HTTP_PROXY": PROXY}, True),
        ("http://a.test/", {"http_proxy": PROXY}, True),
        ("http://a.test/", {"HTTPS_PROXY": PROXY}, False),
        ("https://a.test/", {"HTTPS_PROXY": PROXY}, True),
        ("https://a.test/", {"all_proxy": PROXY}, True),
        ("http://a.test/", {"HTTP_PROXY": ""}, False),
        ("http://a.test/", {"NO_PROXY": "b.test"}, False),
        ("http://a.test/", {"ALL_PROXY": PROXY, "NO_PROXY": "*"}, False),
        ("http://a.test/", {"ALL_PROXY": PROXY, "NO_PROXY": "b.test, A.test"}, False),
        ("http://x.a.test/", {"ALL_PROXY": PROXY, "NO_PROXY": "a.test"}, False),
        ("http://x.a.test/", {"ALL_PROXY": PROXY, "no_proxy": ".a.test"}, False),
        ("http://a.test/", {"ALL_PROXY": PROXY, "no_proxy": ".a.test"}, True),
        ("http://xa.test/", {"ALL_PROXY": PROXY, "NO_PROXY": "a.test"}, True),
        ("http://127.0.0.1:11434/", {"ALL_PROXY": PROXY, "NO_PROXY": "localhost,127.0.0.1"}, False),
        ("http://[::1]:11434/", {"ALL_PROXY": PROXY, "NO_PROXY": "::1"}, False),
        ("http://10.0.0.1/", {"ALL_PROXY": PROXY, "NO_PROXY": "10.0.0.0/8"}, True),  # a doubt
        ("http://a.test/", {"ALL_PROXY": PROXY, "NO_PROXY": ",,."}, True),
    ],
)
def test_a_proxy_is_used_unless_the_host_is_exempt(url: str, environ: dict[str, str], expected: bool) -> None:
    """Lower and upper case, one scheme or all, and the usual exemptions."""
    assert uses_proxy(httpx.URL(url), environ) is expected


@pytest.mark.parametrize("no_proxy", ["a.test", ".a.test", "*", "b.test", "localhost,127.0.0.1"])
@pytest.mark.parametrize("url", ["http://a.test/", "http://x.a.test/", "http://xa.test/", "http://127.0.0.1/"])
def test_what_we_exempt_httpx_exempts_too(monkeypatch: pytest.MonkeyPatch, no_proxy: str, url: str) -> None:
    """We never go past a proxy that httpx would have used."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ALL_PROXY", PROXY)
    monkeypatch.setenv("no_proxy", no_proxy)
    client = httpx.AsyncClient()
    through = client._transport_for_url(httpx.URL(url)) is not client._transport

    assert uses_proxy(httpx.URL(url), {"ALL_PROXY": PROXY, "no_proxy": no_proxy}) is through
