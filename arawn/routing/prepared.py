"""From `[routing]` to what decides: the rules, the classifier with its file, or a policy of the user's own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from importlib import import_module
from pathlib import Path

import msgspec

from arawn.config import default_profile
from arawn.config.describe import any_of
from arawn.config.paths import expanded
from arawn.config.schema import Config
from arawn.errors import ConfigError
from arawn.foreign_errors import passing_on
from arawn.routing.decision import RoutingPolicy
from arawn.routing.layered import LayeredPolicy
from arawn.routing.prototypes import Prototypes

__all__ = ["Prepared", "prepared", "read_prototypes", "routing_obstacles"]


async def _nothing() -> None:
    """Stands for the start and the end of a policy that has none. Checkpoint: never."""


class Prepared(msgspec.Struct, frozen=True):
    """What decides under one configuration; `policy` is None while routing is off, `aclose` ends it."""

    layered: LayeredPolicy
    policy: RoutingPolicy | None
    start: Callable[[], Awaitable[None]] = _nothing
    aclose: Callable[[], Awaitable[None]] = _nothing


def prepared(
    config: Config, known: Collection[str], environ: Mapping[str, str], given: RoutingPolicy | None = None
) -> Prepared:
    """Return what decides under `config`.

    Args:
        config: As it passed every check.
        known: The profiles that calls can go to.
        environ: Where the key for embeddings may stand.
        given: Decides in place of what `config` names, enabled or not.

    Raises:
        ConfigError: The policy cannot be imported, or the classifier's file cannot be used.
    """
    routing = config.routing
    layered = LayeredPolicy(routing, default=default_profile(config), known=known)
    if given is not None:
        return Prepared(layered, given)
    if not routing.enabled:
        return Prepared(layered, None)
    if routing.policy is not None:
        return Prepared(layered, _imported(routing.policy))
    if routing.classifier.file is not None:
        return _with_classifier(config, layered, environ)
    return Prepared(layered, layered)


def routing_obstacles(config: Config, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return why what `[routing]` names would stop the start: a policy, or the classifier's file."""
    routing = config.routing
    try:
        if routing.enabled and routing.policy is not None:
            _imported(routing.policy)
        elif routing.enabled and routing.classifier.file is not None:
            _learnt(config, environ)
    except ConfigError as error:
        return error.problems
    return ()


def _imported(place: str) -> RoutingPolicy:
    module, _, attribute = place.partition(":")
    try:
        policy = getattr(import_module(module), attribute)
        policy = policy() if isinstance(policy, type) else policy
    except BaseException as error:  # the module is the user's, and can raise anything
        if passing_on(error) is not None:
            raise
        said = f"{type(error).__name__}: {error}".splitlines()[0]
        problem = f"routing.policy: cannot import `{place}`: {said}"
        raise ConfigError([problem]) from error  # noqa: ASYNC104  # no cancellation is in it
    if not callable(getattr(policy, "route", None)):
        kind = type(policy).__name__
        raise ConfigError(
            [f"routing.policy: `{place}` is of type {kind}; accepted: an object with a method `route`, or its class"]
        )
    found: RoutingPolicy = policy
    return found


def _with_classifier(config: Config, layered: LayeredPolicy, environ: Mapping[str, str]) -> Prepared:
    from arawn.routing.classifier import EmbeddingClassifierPolicy
    from arawn.routing.embeddings import OpenAIEmbeddings

    classifier = config.routing.classifier
    assert classifier.embeddings is not None, "checked with the configuration"
    learnt = _learnt(config, environ)
    embedder = OpenAIEmbeddings(classifier.embeddings, config.profiles[classifier.embeddings], environ)
    policy = EmbeddingClassifierPolicy(
        embedder, learnt, layered, threshold=classifier.threshold, deadline=classifier.deadline_s
    )
    return Prepared(layered, policy, embedder.start, embedder.aclose)


def _learnt(config: Config, environ: Mapping[str, str]) -> Prototypes:
    """Return what the classifier's file holds, if it fits the profiles. Errors as for `prepared`."""
    classifier = config.routing.classifier
    assert classifier.file is not None
    assert classifier.embeddings is not None, "checked with the configuration"
    learnt = read_prototypes(expanded(classifier.file, environ))
    profile = config.profiles[classifier.embeddings]
    problems = [
        f"routing.classifier.file: it was trained for the profile `{name}`; the profiles are: {any_of(config.profiles)}"
        for name in learnt.profiles
        if name not in config.profiles
    ]
    if learnt.embeddings_model != profile.model:
        problems.append(
            f"routing.classifier.file: it was trained with the model `{learnt.embeddings_model}`, and profile "
            f"`{classifier.embeddings}` has `{profile.model}`; train it anew with `arawn route train`"
        )
    if problems:
        raise ConfigError(problems)
    return learnt


def read_prototypes(path: Path) -> Prototypes:
    """Return what training wrote.

    Raises:
        ConfigError: There is no such file, or it holds something else.
    """
    where = f"routing.classifier.file: `{path}`"
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Prototypes)
    except OSError as error:
        raise ConfigError([f"{where}: {error.strerror}; `arawn route train` writes it"]) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError([f"{where} is not what `arawn route train` writes: {error}"]) from error
    if found.v != 1 or not found.profiles or any(len(each) != len(found.centre) for each in found.profiles.values()):
        raise ConfigError([f"{where} is not what this version of `arawn route train` writes; train it anew"])
    return found
