"""Keys and known secrets never reach the log."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arawn.interactions.redact import RULES, Redactor, redact
from arawn.messages import Image, Message, Text, ToolResult, ToolUse

ALNUM = "aB3dE5gH7jK9mN1pQ2rS4tU6vW8xY0zA"
HEX = "0123456789abcdef" * 4
SAMPLES = {
    "anthropic": f"sk-ant-api03-{ALNUM}",
    "openrouter": f"sk-or-v1-{HEX}",
    "openai": f"sk-proj-{ALNUM}",
    "groq": f"gsk_{ALNUM}",
    "xai": f"xai-{ALNUM}",
    "perplexity": f"pplx-{ALNUM}",
    "replicate": f"r8_{ALNUM}",
    "huggingface": f"hf_{ALNUM}",
    "nvidia": f"nvapi-{ALNUM}",
    "tavily": f"tvly-{ALNUM}",
    "github": f"gho_{ALNUM}",
    "github_pat": f"github_pat_{ALNUM}",
    "gitlab": f"glpat-{ALNUM[:20]}",
    "npm": f"npm_{ALNUM}",
    "pypi": f"pypi-{ALNUM}",
    "slack": "xoxb-123456789012-abcdef",
    "slack_app": "xapp-1-A123456789-x",
    "stripe": f"sk_live_{ALNUM}",
    "digitalocean": f"dop_v1_{HEX}",
    "docker": f"dckr_pat_{ALNUM}",
    "linear": f"lin_api_{ALNUM}",
    "shopify": f"shpat_{HEX[:32]}",
    "figma": f"figd_{ALNUM}",
    "notion": f"ntn_{ALNUM}",
    "aws": "AKIAIOSFODNN7EXAMPLE",
    "google": f"AIza{(ALNUM * 2)[:35]}",
    "google_oauth": f"ya29.{ALNUM}",
    "sendgrid": f"SG.{ALNUM}.{ALNUM}",
    "vault": f"hvs.{ALNUM}",
    "databricks": f"dapi{HEX[:32]}",
    "age": f"AGE-SECRET-KEY-1{(ALNUM * 2).upper()[:58]}",
    "azure_storage": f"AccountKey={(ALNUM * 3)[:86]}==",
    "jwt": f"eyJ{ALNUM}.eyJ{ALNUM}.{ALNUM}",
    "private_key": f"-----BEGIN RSA PRIVATE KEY-----\n{HEX}\n{HEX}\n-----END RSA PRIVATE KEY-----",
    "bearer": "fooBarBaz.12345678",
    "url_password": "anna:s3cret",
}
AROUND = {"bearer": "Authorization: Bearer {} end", "url_password": "git clone https://{}@host/x"}


def test_every_rule_has_a_sample() -> None:
    """No rule goes untested."""
    assert set(SAMPLES) == {name for name, _ in RULES}


@pytest.mark.parametrize("rule", SAMPLES)
def test_a_key_is_replaced_wherever_it_stands(rule: str) -> None:
    """The key goes, what stands around it stays, the rule is named, equal keys stay equal."""
    around = AROUND.get(rule, 'export KEY="{}", then')
    key = SAMPLES[rule]

    text, rules = redact(f"{around.format(key)}\n{around.format(key)}")

    mask = f"[redacted:{rule}:{hashlib.sha256(key.encode()).hexdigest()[:8]}]"
    assert text == f"{around.format(mask)}\n{around.format(mask)}"
    assert rules == [rule]


@pytest.mark.parametrize(
    "text",
    [
        "the task-force's disk-usage report, risk-adjusted-return-on-capital-and-more",
        "gh_something_snake_case_that_is_long_enough_to_be_a_key",
        "get_attribute_of_something_else, that_pat_of_hands, api_key_environment_variable",
        "https://example.com/a@b:c and mailto:anna@example.com",
        "eyJhbGciOiJIUzI1NiJ9 alone is no token",
        "the bearer of this letter",
    ],
)
def test_ordinary_text_is_left_alone(text: str) -> None:
    """Words that look a little like keys are no keys."""
    redacted, rules = redact(text)

    assert redacted is text
    assert rules == []


def test_values_are_walked() -> None:
    """Structs, dicts with their keys, lists and tuples; what holds nothing is the same object."""
    key = SAMPLES["groq"]
    clean = Message("user", (Text("hello"),))
    value = [clean, Message("user", (ToolUse("1", "t", {key: [1, {"k": key}]}), ToolResult("1", (Text(key),))))]

    walked, rules = redact(value)

    assert key not in repr(walked)
    assert walked[0] is clean
    assert rules == ["groq"]


def test_picture_data_is_passed_over() -> None:
    """The base64 of a picture is not searched."""
    image = Image("image/png", SAMPLES["groq"])

    assert redact(image) == (image, [])


@given(st.text(min_size=8, max_size=30), st.text(), st.text())
def test_a_known_secret_never_comes_through(secret: str, before: str, after: str) -> None:
    """Whatever a secret looks like, it is gone from whatever holds it."""
    text, rules = redact(before + secret + after, [secret])

    assert "secret" in rules
    assert secret not in text


def test_short_secrets_are_not_looked_for() -> None:
    """A secret of a few letters would blot out ordinary words."""
    assert redact("a test of tests", ["test"]) == ("a test of tests", [])


def test_the_longer_of_two_secrets_goes_first() -> None:
    """A secret that contains another leaves nothing of itself."""
    text, _ = redact("password-long", ["password", "password-long"])

    assert "long" not in text


def test_what_is_remembered_as_clean_is_clean() -> None:
    """Asking twice gives the same answers."""
    redactor = Redactor(["hunter22hunter22"])

    for text in ("all is well here", "hunter22hunter22", SAMPLES["aws"]) * 2:
        assert redactor.redact(text) == redact(text, ["hunter22hunter22"])


def test_cycles_and_depth_end() -> None:
    """What cannot be searched is not written."""
    deep: Any = SAMPLES["groq"]
    for _ in range(5_000):
        deep = [deep]
    cycle: list[Any] = []
    cycle += [cycle, cycle]

    assert SAMPLES["groq"] not in repr(redact(deep)[0])
    assert redact(cycle)[0] == ["[cycle]", "[cycle]"]
