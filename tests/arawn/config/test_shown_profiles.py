"""What Python shows of a profile has no secret in it."""

from __future__ import annotations

import msgspec
import pytest

from arawn.config.schema import Config, Profile, RetryConfig, ToolSource
from arawn.reload_plan import compared

SECRETS = ("sk-of-mine", "of-a-header", "of-the-body")
PROFILE = Profile(
    backend="custom",
    model="m",
    api_key=SECRETS[0],
    headers={"x-api-key": SECRETS[1], "x-team": "search"},
    extra={"auth": {"password": SECRETS[2]}, "seed": 7},
    stop=("a", "b"),
    retry=RetryConfig(attempts=2),
)


def test_a_profile_shows_what_config_show_shows() -> None:
    """Neither by itself nor in what holds it, nor to `rich`; all else stays, and the profile too."""
    config = Config(profiles={"default": PROFILE})
    plan = compared(Config(), config, {}, {})
    shown = [repr(PROFILE), f"{PROFILE}", repr(config), repr(plan), str(PROFILE.__rich_repr__())]

    assert not [secret for secret in SECRETS for text in shown if secret in text]
    assert repr(PROFILE).startswith("Profile(backend='custom', model='m', dialect=None, ")
    assert "api_key='(hidden)', api_key_env=None" in repr(PROFILE)
    assert "headers={'x-api-key': '(hidden)', 'x-team': 'search'}" in repr(PROFILE)
    assert "stop=('a', 'b')" in repr(PROFILE)
    assert msgspec.to_builtins(PROFILE)["api_key"] == SECRETS[0]


@pytest.mark.parametrize("given", [{}, {"max_concurrency": 3, "stop": ("a",)}])
def test_a_profile_without_a_secret_is_shown_as_it_is(given: dict[str, object]) -> None:
    """What is shown makes the same profile again."""
    profile = msgspec.convert({"backend": "scripted", **given}, Profile)
    names = {kind.__name__: kind for kind in (Profile, RetryConfig, type(profile.timeouts))}

    assert eval(repr(profile), names) == profile


def test_a_source_of_tools_shows_what_config_show_shows() -> None:
    """Neither by itself nor in what holds it; all else stays."""
    source = ToolSource(command=("serve", "--token", "of-mine", "--port", "8"), only=("a",))
    shown = repr(Config(tools={"x": source}))

    assert "command=('serve', '--token', '(hidden)', '--port', '8')" in shown
    assert "only=('a',)" in shown
    assert "of-mine" not in shown
