"""What the parts of `[routing]` must be. Pure: each rule yields what it finds."""

from __future__ import annotations

import re
from collections.abc import Iterator

from arawn.backends.presets import PRESETS
from arawn.config.describe import ticked
from arawn.config.keypath import Finding, KeyPath
from arawn.config.profiles import DEFAULT
from arawn.config.schema import Config, RoutingConfig, RoutingRule

__all__ = ["routing_findings"]

_RULE_NAME = re.compile(r"[\x21-\x7e]+")  # it travels in the header `x-arawn-route`
_PLACE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")
_SERVERLESS = ("local", "scripted")


def routing_findings(config: Config) -> Iterator[Finding]:
    """Yield everything wrong with `[routing]`, but for names of profiles that are not there."""
    yield from _default(config)
    yield from _rule_names(config.routing)
    for position, rule in enumerate(config.routing.rules):
        yield from _rule(rule, ("routing", "rules", position))
    yield from _keywords(config.routing)
    yield from _thresholds(config.routing)
    yield from _policy(config.routing)
    yield from _classifier(config)


def _default(config: Config) -> Iterator[Finding]:
    routing = config.routing
    if routing.enabled and routing.default is None and config.profiles and DEFAULT not in config.profiles:
        yield Finding(("routing", "default"), "missing; name the profile of the requests that no rule matches")


def _rule_names(routing: RoutingConfig) -> Iterator[Finding]:
    met: dict[str, int] = {}
    for position, rule in enumerate(routing.rules):
        first = met.setdefault(rule.name, position)
        if rule.name and first != position:
            yield Finding(
                ("routing", "rules", position, "name"),
                f"`routing.rules[{first}]` has the name {ticked(rule.name)} already; accepted: a name of its own",
            )


def _rule(rule: RoutingRule, path: KeyPath) -> Iterator[Finding]:
    from arawn.routing.conditions import condition_problems

    if not _RULE_NAME.fullmatch(rule.name):
        wrong = f"found {ticked(rule.name)}" if rule.name else "missing"
        yield Finding((*path, "name"), f"{wrong}; accepted: visible ASCII characters without space")
    if not rule.profile:
        yield Finding((*path, "profile"), "missing; name the profile of the requests that the rule matches")
    for key, text in condition_problems(rule.condition):
        yield Finding((*path, "condition", *([] if key is None else [key])), text)


def _keywords(routing: RoutingConfig) -> Iterator[Finding]:
    for position, word in enumerate(routing.keywords):
        if not word.strip():
            yield Finding(("routing", "keywords", position), "empty; accepted: a text to look for")


def _thresholds(routing: RoutingConfig) -> Iterator[Finding]:
    if routing.moderate_length_gt > routing.complex_length_gt:
        text = f"no request could be `moderate` for its length; accepted: at most {routing.complex_length_gt}"
        yield Finding(("routing", "moderate_length_gt"), f"{text}, which is `complex_length_gt`")


def _policy(routing: RoutingConfig) -> Iterator[Finding]:
    if routing.policy is None:
        return
    if not _PLACE.fullmatch(routing.policy):
        text = f"found {ticked(routing.policy)}; accepted: `module:attribute`, such as `my_routing:policy`"
        yield Finding(("routing", "policy"), text)
    if routing.classifier.file is not None:
        yield Finding(("routing", "policy"), "stands in place of the classifier; remove it or `classifier.file`")


def _classifier(config: Config) -> Iterator[Finding]:
    path, classifier = ("routing", "classifier", "embeddings"), config.routing.classifier
    if classifier.file is not None and classifier.embeddings is None:
        yield Finding(path, "missing; name the profile whose `/v1/embeddings` is asked")
    profile = config.profiles.get(classifier.embeddings or "")
    if profile is not None and not _may_embed(profile.backend, profile.dialect):
        text = f"profile {ticked(classifier.embeddings or '')} has no `/v1/embeddings` that can be asked"
        yield Finding(path, f"{text}; accepted: a profile whose provider speaks `openai`, but for `local`")


def _may_embed(backend: str, dialect: str | None) -> bool:
    preset = PRESETS.get(backend)
    if preset is None:  # an unknown backend is a finding of its own
        return True
    return backend not in _SERVERLESS and (preset.dialect or dialect) == "openai"
