"""Profiles behind a proxy: what the variables that name it may hold, and what is said when it cannot be reached."""

from __future__ import annotations

import sys

import httpx
import pytest

from arawn.backends.connection_failures import from_httpx
from arawn.backends.open import open_provider
from arawn.backends.preflight import Obstacle, preflight
from arawn.config.schema import Config, Profile
from arawn.errors import ConnectionFailed, Unavailable
from arawn.messages import CompletionRequest, user
from arawn.routing.embeddings import OpenAIEmbeddings

WRONG = [
    ({"HTTP_PROXY": "foo://u:a-password@127.0.0.1:9"}, "`HTTP_PROXY` hold what is no address"),
    ({"http_proxy": ":::"}, "`http_proxy` hold what is no address"),
    ({"HTTP_PROXY": "http://[::1"}, "`HTTP_PROXY` hold what is no address"),
    ({"ALL_PROXY": "http://u:a-password@p.test:1", "NO_PROXY": "[:::]]"}, "`ALL_PROXY`, `NO_PROXY` hold what is no ad"),
    ({"ALL_PROXY": "http://p.test:a-password"}, "`ALL_PROXY` hold what is no address"),
]
PROFILE = Profile(backend="custom", dialect="openai", model="m", base_url="http://llm.example.com/v1")


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what a test sets is set."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize(("variables", "words"), WRONG)
async def test_what_is_no_proxy_makes_the_profile_unavailable(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], words: str
) -> None:
    """The variables are named, and what would be right; never what they hold, also not in what led to it."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(Unavailable, match="give each proxy as `http://host:port`") as caught:
        async with open_provider("p", PROFILE, environ={}):
            pytest.fail("no request can be sent")

    assert str(caught.value).startswith("profile `p` (custom) cannot be asked: the proxy variables ")
    assert words in str(caught.value)
    assert "a-password" not in str(caught.value)
    assert caught.value.__cause__ is caught.value.__context__ is None


def test_so_it_is_with_the_embeddings_of_the_classifier(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are asked for by a client of their own."""
    monkeypatch.setenv("ALL_PROXY", ":::")

    with pytest.raises(Unavailable, match=r"profile `p` .* `ALL_PROXY` hold what is no address"):
        OpenAIEmbeddings("p", PROFILE, {})


async def test_a_socks_proxy_without_its_package_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Arawn itself does not need it."""
    monkeypatch.setitem(sys.modules, "socksio", None)
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1080")

    with pytest.raises(Unavailable, match=r"`ALL_PROXY` name a SOCKS proxy.*pip install 'httpx\[socks\]'"):
        async with open_provider("p", PROFILE, environ={}):
            pytest.fail("no request can be sent")


async def test_a_wrong_proxy_is_told_without_a_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a missing key is, also where a command prints the key; it is fatal for the default profile alone."""
    monkeypatch.setenv("HTTP_PROXY", ":::")
    other = Profile(backend="custom", dialect="openai", base_url="http://b.test", api_key_command=("false",))
    spared = Profile(backend="custom", dialect="openai", base_url="https://c.test")

    found = await preflight(Config(profiles={"default": PROFILE, "other": other, "spared": spared}), {})

    assert [(one.profile, one.fatal) for one in found] == [("default", True), ("other", False)]
    assert all(isinstance(one, Obstacle) and "`HTTP_PROXY` hold what is no address" in one.text for one in found)


@pytest.mark.parametrize(
    ("proxy", "words"),
    [
        ("http://127.0.0.1:1", "connection refused, no proxy listens there; check that proxy and `HTTP_PROXY`"),
        ("http://no-such-host.invalid:1", "the proxy's name cannot be resolved; check that proxy and `HTTP_PROXY`"),
    ],
)
async def test_a_proxy_that_cannot_be_reached_is_not_told_as_the_provider(
    monkeypatch: pytest.MonkeyPatch, proxy: str, words: str
) -> None:
    """The variable that names it is to be looked at, and no `base_url`."""
    monkeypatch.setenv("HTTP_PROXY", proxy)

    async with open_provider("p", PROFILE, environ={}) as provider:
        with pytest.raises(ConnectionFailed) as caught:
            await provider.complete(CompletionRequest(messages=(user("hi"),), model="m"))

    told = f"profile `p` (custom at llm.example.com) cannot be reached (through the proxy of `HTTP_PROXY`): {words}"
    assert str(caught.value).startswith(told)
    assert "base_url" not in str(caught.value)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (httpx.ProxyError("407"), "(through the proxy of `ALL_PROXY`): the proxy refused; check that proxy and `ALL_"),
        (httpx.ConnectTimeout("x"), "(through the proxy of `ALL_PROXY`) within `connect_s` = 5 s; check that proxy"),
        (httpx.ConnectError("x"), "(through the proxy of `ALL_PROXY`): the connection failed; check that proxy and"),
    ],
)
def test_what_goes_wrong_on_the_way_through_a_proxy_names_it(error: httpx.HTTPError, words: str) -> None:
    """Which of the two failed is not known in each case, so the proxy is named beside the provider."""
    assert words in str(from_httpx("profile `p`", error, connect_s=5.0, proxy="ALL_PROXY"))
