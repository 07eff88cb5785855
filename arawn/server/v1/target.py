"""Which profile and which model a request in another program's dialect means. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

from arawn.backends.presets import PRESETS
from arawn.config import default_profile
from arawn.config.schema import Config, Profile
from arawn.messages import RoutingMetadata
from arawn.routing.policy import choose_profile, require_profile
from arawn.server.reply import Refused, refusal

__all__ = ["AUTO", "DialectName", "Target", "choose_target", "dialect_of", "hinted"]

AUTO = "auto"

DialectName = Literal["openai", "anthropic"]


class Target(msgspec.Struct, frozen=True):
    """Where a request goes.

    Attributes:
        hint: The profile that the caller named; None leaves the choice to the runtime.
        model: The model to ask the provider for; None means the profile's own.
        shown_model: What to call the model as long as no answer has named it.
        routing: The profile that will answer, and why; while `open` is true, the default one.
        dialect: What that profile's backend speaks; None when nothing leaves the process.
        open: Whether `[routing]` has still to choose the profile that answers.
        common: Whether every profile that it may choose speaks `dialect`.
        backends: The kinds of backends that may answer, as profiles name them.
    """

    hint: str | None
    model: str | None
    shown_model: str
    routing: RoutingMetadata
    dialect: DialectName | None
    open: bool = False
    common: bool = True
    backends: frozenset[str] = frozenset()

    def takes(self, dialect: DialectName) -> bool:
        """Whether fields of `dialect` that the neutral form has no word for can go to the backend as they are."""
        return self.common and self.dialect in {dialect, None}


def hinted(model: str, wanted: str | None, config: Config) -> str | None:
    """Return the profile that a request itself names; None if it names none. Arguments as for `choose_target`.

    Raises:
        UnknownProfile: `wanted` is no profile.
    """
    profiles = config.profiles
    if wanted is not None:
        return require_profile(wanted, profiles)
    if model in profiles or model == AUTO:
        return model if model in profiles else None
    having = _having(model, config)
    return having[0] if len(having) == 1 else None


def choose_target(model: str, wanted: str | None, config: Config, bound: str | None = None) -> Target:
    """Return where a request for `model` goes.

    Args:
        model: A profile's name, `auto`, or the provider model name of exactly one profile. With `wanted` or `bound`,
            any other name is a model to ask that profile's provider for.
        wanted: The profile that the header `x-arawn-profile` names.
        config: The profiles and the default one.
        bound: The profile of the workstream that the header `x-arawn-workstream` names.

    Raises:
        Refused: No profile has this name or model, or several have the model (404, with what there is).
        UnknownProfile: `wanted` or `bound` is no profile; or `model` is `auto` and there is no default.
    """
    profiles = config.profiles
    own_model = model in profiles or model == AUTO
    hint = hinted(model, wanted, config)
    if hint is None and bound is None and not own_model:
        raise _no_profile_with(model, config)
    routing = choose_profile(hint=hint, bound=bound, default=default_profile(config), known=profiles)
    profile = profiles[routing.profile]
    asked = None if own_model or model == profile.model else model
    shown = asked or profile.model or profile.backend  # only a backend without models may go without one
    dialect = dialect_of(profile)
    if hint is not None or bound is not None or not config.routing.enabled:
        return Target(hint, asked, shown, routing, dialect, backends=frozenset((profile.backend,)))
    choosable = [profiles[name] for name in (routing.profile, *_choosable(config))]
    common = all(dialect_of(each) == dialect for each in choosable)
    backends = frozenset(each.backend for each in choosable)
    return Target(hint, asked, shown, routing, dialect, open=True, common=common, backends=backends)


def _choosable(config: Config) -> Iterable[str]:
    """Return the profiles that `[routing]` may choose."""
    routing = config.routing
    if routing.policy is not None or routing.classifier.file is not None:
        return [name for name in config.profiles if name != routing.classifier.embeddings]
    return [rule.profile for rule in routing.rules]


def dialect_of(profile: Profile) -> DialectName | None:
    """Return what the profile's backend speaks; None when it speaks to no server."""
    preset = PRESETS.get(profile.backend)
    return (preset.dialect if preset else None) or profile.dialect


def _having(model: str, config: Config) -> list[str]:
    return [name for name, profile in config.profiles.items() if profile.model == model]


def _no_profile_with(model: str, config: Config) -> Refused:
    having = _having(model, config)
    names = _listed(sorted(config.profiles)) or "none"
    if having:
        message = f"the model `{model}` is that of {len(having)} profiles; name one of them as the model: "
        return Refused(refusal(404, "model_not_found", message + _listed(sorted(having))))
    models = sorted({profile.model for profile in config.profiles.values() if profile.model})
    message = (
        f"no profile has the name or the model `{model}`; the profiles are: {names}; their models are: "
        f"{_listed(models) or 'none'}; `{AUTO}` leaves the choice to Arawn"
    )
    return Refused(refusal(404, "model_not_found", message))


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
