from __future__ import annotations

from typing import Any

import msgspec
import pytest

from arawn.config.keypath import dotted
from arawn.config.profile_rules import profile_findings
from arawn.config.profiles import NamedProfile
from arawn.config.rules import config_findings, is_loopback, listen_address
from arawn.config.schema import Config, Profile

NO_VARIABLES = ["", "$NAME", "4" + "ab" * 15, "ab-of-mine", f"sk-{'of-mine1' * 4}", "a1" * 16]
CUSTOM = "; any other server that speaks OpenAI's or Anthropic's API is `custom` with `dialect` and `base_url`"
REFERENCES = ["os.environ/OPENAI_API_KEY", "$OPENAI_API_KEY", "${OPENAI_API_KEY}"]


def of_profile(name: str = "fast", **keys: Any) -> list[str]:
    profile = msgspec.convert({"backend": "openai", "model": "m"} | keys, Profile)
    findings = profile_findings(NamedProfile(name, ("llm_profiles", name), profile))
    return [f"{dotted(finding.path[2:])}: {finding.text}" for finding in findings]


def of_config(**tables: Any) -> list[str]:
    profiles = {"profiles": {"default": {"backend": "openai"}, "fast": {"backend": "groq"}}}
    return [
        f"{dotted(finding.path)}: {finding.text}"
        for finding in config_findings(msgspec.convert(profiles | tables, Config), [])
    ]


@pytest.mark.parametrize(
    ("keys", "start"),
    [
        ({"backend": ""}, "backend: missing; accepted: `anthropic`, `claude-oauth`"),
        ({"backend": "opnai"}, "backend: unknown backend `opnai`; accepted: `anthropic`"),
        ({"model": None}, "model: missing"),
        ({"model": ""}, "model: missing"),
        ({"model": None, "backend": "local"}, "model: missing"),
        ({"backend": "custom", "dialect": "openai"}, "base_url: missing; `custom` needs"),
        ({"backend": "custom", "base_url": "http://h"}, "dialect: missing; `custom` needs `openai` or `anthropic`"),
        ({"dialect": "openai"}, "dialect: only for the backend `custom`"),
        ({"script": "x.toml"}, "script: only for the backend `scripted`"),
        ({"headers": {"a b": "x"}}, 'headers."a b": not a header name'),
        ({"headers": {"a": "x\ny"}}, "headers.a: not a header value"),
        ({"headers": {"a": " x"}}, "headers.a: not a header value"),
        ({"headers": {"a": "é"}}, "headers.a: not a header value"),
        ({"headers": {"Content-Length": "3"}}, "headers.Content-Length: each request says for itself where its body"),
        ({"headers": {"transfer-encoding": "chunked"}}, "headers.transfer-encoding: each request says for itself"),
        ({"extra": {"temperature": 1}}, "extra.temperature: it is a setting of its own; give `temperature` beside"),
        ({"extra": {"stream": True}}, "extra.stream: each call says it for itself"),
        ({"api_key": "sk\n"}, "api_key: not a key"),
        ({"api_key": ""}, "api_key: not a key"),
        ({"api_key": "x", "api_key_env": "X"}, "api_key_env: the key is already given by `api_key`"),
        *(({"api_key_env": text}, "api_key_env: not the name of an environment variable") for text in NO_VARIABLES),
        *(({"api_key": text}, "api_key: this is no key; `api_key_env = ") for text in REFERENCES),
        ({"api_key_command": []}, "api_key_command: empty"),
        ({"api_key_command": [""]}, "api_key_command: empty"),
    ],
)
def test_the_keys_of_a_profile_must_agree(keys: dict[str, Any], start: str) -> None:
    """Each disagreement gives one line at the key to change, without the secret that stands there by mistake."""
    (line,) = of_profile(**keys)

    assert line.startswith(start)
    assert "of-mine" not in line


@pytest.mark.parametrize(
    ("kind", "meant"),
    [
        ("antropic", "anthropic"),
        ("olama", "ollama"),
        ("groc", "groq"),
        ("grok", "xai"),
        ("vllm", None),
        ("azure", None),
    ],
)
def test_a_backend_that_is_not_known_is_told_what_serves_instead(kind: str, meant: str | None) -> None:
    """The one that was meant, if any; never one that is merely spelt a little alike. Else it is `custom`."""
    (line,) = of_profile(backend=kind)

    assert line.endswith(CUSTOM + (f" (did you mean `{meant}`?)" if meant else ""))


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"backend": "scripted", "model": None, "script": "x.toml"},
        {"backend": "custom", "base_url": "https://h:8443/v1", "dialect": "anthropic"},
        {"headers": {"x-a": "b c", "empty": ""}},
        {"extra": {"seed": 1, "tools": [], "max_completion_tokens": 9}},
        {"backend": "local", "extra": {"temperature": 1}},
        {"api_key_command": ["pass", "show", "x"]},
        {"api_key_env": "_my_Key2"},
        {"api_key": "$ecret-5011"},
    ],
)
def test_a_sound_profile_has_no_findings(keys: dict[str, Any]) -> None:
    """What the documentation shows is accepted."""
    assert of_profile(**keys) == []


@pytest.mark.parametrize(
    "url",
    [
        "api.example.com",
        "ftp://h",
        "http://",
        "http:///v1",
        "http://:80",
        "http://h:99999",
        "http://999.0.0.1/v1",
        "http://[v1.x]/v1",
        "http://h:0",
        "http://h:x",
        "http://[::1",
        "http://h/ v1",
        "http://h\n",
        "http://h?key=5011",
        "http://h/v1?api-version=1&Subscription-Key=5011",
        "http://h?%6Bey=5011",
        "http://h?access_token=5011",
        "http://h?sig=5011",
        "http://h?X-Amz-Signature=5011",
        "http://h?5011",
        "http://h?=5011",
        "http://h?v=1#5011",
        "http://h#5011",
        "http://me:5011@h",
        "http://xn--/v1",
        "https://XN--zzzzzzzz5011.example",
        "",
    ],
)
def test_a_base_url_must_lead_to_a_host(url: str) -> None:
    """Whatever a request could not be sent to is refused, and not printed, since it may hold a password."""
    (line,) = of_profile(base_url=url)

    assert line.startswith("base_url: not an address")
    assert "5011" not in line


@pytest.mark.parametrize(
    "url",
    [
        *("http://h", "https://h/", "http://127.0.0.1:11434/v1", "http://[::1]:80/v1", "HTTP://h"),
        *("https://n.openai.azure.com/openai/deployments/d?api-version=2024-10-21", "http://h?a=1&b=", "http://h/?"),
        "https://xn--mnchen-3ya.de/v1",
    ],
)
def test_a_base_url_may_have_port_path_and_query(url: str) -> None:
    """Every form of an address that requests can be sent to is accepted."""
    assert of_profile(base_url=url) == []


@pytest.mark.parametrize("name", ["", "a b", "é", "a\n"])
def test_the_name_of_a_profile_must_fit_a_header(name: str) -> None:
    """A profile's name comes back in a response header."""
    (line,) = of_profile(name)

    assert "visible ASCII" in line


def test_no_profile_is_called_auto() -> None:
    """The model name `auto` asks for routing, so it cannot be a profile as well."""
    (line,) = of_profile("auto")

    assert "cannot name a profile" in line


@pytest.mark.parametrize(
    ("tables", "start"),
    [
        (
            {"workstreams": {"named": {"r": {"profile": "fats"}}}},
            "workstreams.named.r.profile: unknown profile `fats`; the profiles are: `default` or `fast` (did you mean",
        ),
        ({"workstreams": {"named": {"r": {"tags": {"": "x"}}}}}, "workstreams.named.r.tags: one has an empty key"),
        (
            {"workstreams": {"named": {"a/b": {}}}},
            "workstreams.named.\"a/b\": 'a/b' cannot name a workstream; a name has",
        ),
        (
            {"workstreams": {"named": {"": {}}}},
            "workstreams.named.\"\": '' cannot name a workstream; a name has 1 to 200",
        ),
        ({"routing": {"default": "x"}}, "routing.default: unknown profile `x`; the profiles are: `default` or `fast`"),
        ({"server": {"listen": "8470"}}, "server.listen: found `8470`; accepted: `host:port`"),
        ({"server": {"listen": "0.0.0.0:1", "auth": "none"}}, 'server.auth: "none" lets anyone'),
        ({"server": {"listen": "example.com:1", "auth": "none"}}, 'server.auth: "none" lets anyone'),
    ],
)
def test_tables_must_agree_with_each_other(tables: dict[str, Any], start: str) -> None:
    """Each disagreement between tables gives one line at the key to change."""
    (line,) = of_config(**tables)

    assert line.startswith(start)


def test_rules_are_checked_while_routing_is_off() -> None:
    """A rule that names no profile, one with a name taken, and one without a condition."""
    rule = {"name": "a", "condition": {"has_tools": True}, "profile": "fast"}

    lines = of_config(routing={"rules": [rule, rule | {"profile": "x", "condition": {}}]})

    assert [line.partition(":")[0] for line in lines] == [
        "routing.rules[1].profile",
        "routing.rules[1].name",
        "routing.rules[1].condition",
    ]


def test_without_any_profile_the_one_that_is_looked_for_may_be_named() -> None:
    """With nothing configured the profile found will be called `default`, so naming it is no mistake."""
    assert of_config(profiles={}, routing={"default": "default"}) == []


def test_no_token_is_needed_behind_a_loopback_address() -> None:
    """`auth = "none"` is accepted where only this machine can connect."""
    assert of_config(server={"listen": "[::1]:8470", "auth": "none"}) == []


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:8470", ("127.0.0.1", 8470)),
        ("[::1]:0", ("::1", 0)),
        ("localhost:65535", ("localhost", 65535)),
    ],
)
def test_a_listen_address_is_host_and_port(text: str, address: tuple[str, int]) -> None:
    """Names, IPv4 and bracketed IPv6 addresses are understood."""
    assert listen_address(text) == address


@pytest.mark.parametrize(
    "text", ["", "8470", ":8470", "h:", "h:65536", "::1:80", "[x]:80", "h:1:2", "http://h:80", "h:-1"]
)
def test_what_is_no_listen_address_is_refused(text: str) -> None:
    """A door that could not be opened is found before the start."""
    with pytest.raises(ValueError, match="host:port"):
        listen_address(text)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("LOCALHOST", True),
        ("0.0.0.0", False),
        ("::", False),
        ("h", False),
    ],
)
def test_only_addresses_of_this_machine_are_loopback(host: str, loopback: bool) -> None:
    """A name other than `localhost` may lead anywhere."""
    assert is_loopback(host) is loopback
