from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from arawn.config.keypath import dotted
from arawn.config.load import load
from arawn.config.rules import routing_findings
from arawn.config.schema import Config
from arawn.errors import ConfigError

PROFILES = {
    "default": {"backend": "openai", "model": "m"},
    "claude": {"backend": "anthropic", "model": "m"},
    "here": {"backend": "local", "model": "m"},
    "mine": {"backend": "custom", "model": "m", "dialect": "openai", "base_url": "http://localhost"},
}
RULE = {"name": "r", "condition": {"has_tools": True}, "profile": "default"}


def found(profiles: dict[str, Any] = PROFILES, **routing: Any) -> list[str]:
    config = msgspec.convert({"profiles": profiles, "routing": routing}, Config)
    return [f"{dotted(finding.path)}: {finding.text}" for finding in routing_findings(config)]


def test_what_is_right_is_not_found_fault_with() -> None:
    """Rules, keywords, thresholds, a policy or a classifier."""
    assert not found(enabled=True, rules=[RULE], keywords=["tea"], policy="my_package.routing:policy")
    assert not found(classifier={"file": "f", "embeddings": "mine"})
    assert not found(classifier={"file": "f", "embeddings": "default"})
    assert not found(PROFILES | {"": {"backend": "local", "model": "m"}})  # a name that is wrong elsewhere
    assert not found(profiles={}, enabled=True)  # the profile that is looked for will be the default


@pytest.mark.parametrize(
    ("routing", "start"),
    [
        ({"rules": [RULE | {"name": ""}]}, "routing.rules[0].name: missing; accepted: visible ASCII"),
        ({"rules": [RULE | {"name": "two words"}]}, "routing.rules[0].name: found `two words`"),
        ({"rules": [RULE | {"profile": ""}]}, "routing.rules[0].profile: missing"),
        ({"rules": [RULE | {"condition": {}}]}, "routing.rules[0].condition: missing; `routing.default` names"),
        ({"rules": [RULE | {"condition": {"x": 1}}]}, "routing.rules[0].condition.x: unknown condition"),
        ({"rules": [RULE, RULE]}, "routing.rules[1].name: `routing.rules[0]` has the name `r` already"),
        ({"keywords": ["a", " "]}, "routing.keywords[1]: empty"),
        ({"moderate_length_gt": 2001}, "routing.moderate_length_gt: no request could be `moderate` for its length"),
        ({"policy": "my_routing"}, "routing.policy: found `my_routing`; accepted: `module:attribute`"),
        ({"policy": "a-b:c"}, "routing.policy: found `a-b:c`"),
        ({"policy": "a:b", "classifier": {"file": "f", "embeddings": "mine"}}, "routing.policy: stands in place of"),
        ({"classifier": {"file": "f"}}, "routing.classifier.embeddings: missing; name the profile"),
        ({"classifier": {"embeddings": "claude"}}, "routing.classifier.embeddings: profile `claude` has no"),
        ({"classifier": {"embeddings": "here"}}, "routing.classifier.embeddings: profile `here` has no"),
    ],
)
def test_each_mistake_is_one_finding_at_its_key(routing: dict[str, Any], start: str) -> None:
    """And says what is accepted."""
    (line,) = found(**routing)

    assert line.startswith(start)


def test_routing_without_any_default_is_a_mistake() -> None:
    """A request that no rule matches would have nowhere to go."""
    (line,) = found({"fast": PROFILES["mine"]}, enabled=True)

    assert line.startswith("routing.default: missing; name the profile of the requests that no rule matches")
    assert not found({"fast": PROFILES["mine"]}, enabled=True, default="fast")


def test_every_mistake_is_named_with_its_line(tmp_path: Path) -> None:
    """All at once: a name, a profile, a condition inside an inline table, an embeddings profile that is not there."""
    path = tmp_path / "arawn.toml"
    path.write_text(
        '[llm]\nbackend = "scripted"\n[routing]\nenabled = true\n[[routing.rules]]\nname = "a"\n'
        'condition = { complexity = "hard" }\nprofile = "fats"\n[routing.classifier]\nembeddings = "nope"\n'
    )
    with pytest.raises(ConfigError) as caught:
        load(environ={"ARAWN_CONFIG_DIR": str(tmp_path / "none"), "HOME": str(tmp_path)}, cwd=tmp_path)

    places = [problem.partition(" ")[0] for problem in caught.value.problems]
    assert sorted(places) == [
        "arawn.toml:10:",
        "arawn.toml:7:",
        "arawn.toml:8:",
    ]
