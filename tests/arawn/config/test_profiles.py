from __future__ import annotations

import tomllib

import pytest

from arawn.config.keypath import dotted
from arawn.config.profiles import backend_from_key, default_profile, gathered, twice_named
from arawn.config.schema import Config, Profile, RoutingConfig


def places(text: str) -> dict[str, str]:
    return {entry.name: dotted(entry.path) for entry in gathered(tomllib.loads(text))}


def test_three_spellings_feed_one_table() -> None:
    """`[llm]` is called `default`; its sub-tables and the two other tables name the rest."""
    text = "[llm]\nmodel='m'\n[llm.a]\nmodel='m'\n[llm_profiles.b]\nmodel='m'\n[routing.profiles.c]\nmodel='m'"

    assert places(text) == {"default": "llm", "a": "llm.a", "b": "llm_profiles.b", "c": "routing.profiles.c"}


def test_an_llm_without_keys_of_its_own_is_no_profile() -> None:
    """`[llm.fast]` alone makes no default profile; `[llm.retry]` belongs to one."""
    assert places("[llm.fast]\nmodel='m'") == {"fast": "llm.fast"}
    assert places("[llm]") == {}
    assert places("[llm.retry]\nattempts=1") == {"default": "llm"}


def test_a_named_profile_inherits_nothing() -> None:
    """What `[llm]` sets is not seen by the profiles beside it."""
    (_, fast) = gathered(tomllib.loads("[llm]\nmodel='m'\nmax_tokens=7\n[llm.fast]\nbackend='x'"))

    assert fast.profile == Profile(backend="x")


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("[llm.a]\nmodel='m'\n[llm_profiles.a]\nmodel='m'", ["llm.a", "llm_profiles.a"]),
        ("[llm_profiles.a]\n[routing.profiles.a]", ["llm_profiles.a", "routing.profiles.a"]),
        ("[llm]\nmodel='m'\n[llm_profiles.default]", ["llm", "llm_profiles.default"]),
    ],
)
def test_a_name_in_two_places_is_found_at_both(text: str, paths: list[str]) -> None:
    """Each place names the other one."""
    findings = list(twice_named(gathered(tomllib.loads(text))))

    assert [dotted(finding.path) for finding in findings] == paths
    assert f"`{paths[1]}`" in findings[0].text


def test_a_profile_called_default_may_stand_anywhere_alone() -> None:
    """Without `[llm]`, `[llm_profiles.default]` is the default profile."""
    assert list(twice_named(gathered(tomllib.loads("[llm_profiles.default]\nmodel='m'")))) == []


def test_the_only_key_in_the_environment_tells_whose_a_lone_model_is() -> None:
    """`llm.model` without a backend goes to the one provider whose key is set, and the origin says so."""
    layer = backend_from_key({"llm": {"model": "m"}}, {"OPENAI_API_KEY": "x"})

    assert layer is not None
    assert layer.tree == {"llm": {"backend": "openai"}}
    assert layer.origin(("llm", "backend")) == "chosen because OPENAI_API_KEY is set"


@pytest.mark.parametrize(
    ("llm", "environ"),
    [
        ({"model": "m"}, {}),
        ({"model": "m"}, {"OPENAI_API_KEY": ""}),
        ({"model": "m"}, {"OPENAI_API_KEY": "x", "ANTHROPIC_API_KEY": "y"}),
        ({"model": "m", "backend": "ollama"}, {"OPENAI_API_KEY": "x"}),
        ({"max_tokens": 5}, {"OPENAI_API_KEY": "x"}),
        ({}, {"OPENAI_API_KEY": "x"}),
    ],
)
def test_nothing_is_guessed_unless_it_is_plain(llm: dict[str, object], environ: dict[str, str]) -> None:
    """No key, several keys, a backend or no model: the configuration stays as written."""
    assert backend_from_key({"llm": llm}, environ) is None


def test_the_default_profile_is_the_one_of_routing_then_llm() -> None:
    """A call that names no profile has one only if the configuration says which."""
    profile = Profile(backend="x")

    assert (
        default_profile(Config(profiles={"default": profile, "a": profile}, routing=RoutingConfig(default="a"))) == "a"
    )
    assert default_profile(Config(profiles={"default": profile, "a": profile})) == "default"
    assert default_profile(Config(profiles={"a": profile})) is None
