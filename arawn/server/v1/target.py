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

__all__ = ["AUTO", "DialectName", "Target", "choose_target", "dialect_of"]

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


def choose_target(model: str, wanted: str | None, config: Config) -> Target:
    """Return where a request for `model` goes.

    Args:
        model: A profile's name, `auto`, or the provider model name of exactly one profile. With `wanted`, any other
            name is a model to ask that profile's provider for.
        wanted: The profile that the header `x-arawn-profile` names.
        config: The profiles and the default one.

    Raises:
        Refused: No profile has this name or model, or several have the model (404, with what there is).
        UnknownProfile: `wanted` is no profile; or `model` is `auto` and there is no default.
    """
    profiles = config.profiles
    hint: str | None
    own_model = model in profiles or model == AUTO
    if wanted is not None:
        hint = require_profile(wanted, profiles)
    elif own_model:
        hint = None if model == AUTO and AUTO not in profiles else model
    else:
        hint = _only_profile_with(model, config)
    routing = choose_profile(hint=hint, bound=None, default=default_profile(config), known=profiles)
    profile = profiles[routing.profile]
    asked = None if own_model or model == profile.model else model
    shown = asked or profile.model or profile.backend  # only a backend without models may go without one
    dialect = dialect_of(profile)
    if hint is not None or not config.routing.enabled:
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


def _only_profile_with(model: str, config: Config) -> str:
    having = [name for name, profile in config.profiles.items() if profile.model == model]
    if len(having) == 1:
        return having[0]
    names = _listed(sorted(config.profiles)) or "none"
    if having:
        message = f"the model `{model}` is that of {len(having)} profiles; name one of them as the model: "
        raise Refused(refusal(404, "model_not_found", message + _listed(sorted(having))))
    models = sorted({profile.model for profile in config.profiles.values() if profile.model})
    message = (
        f"no profile has the name or the model `{model}`; the profiles are: {names}; their models are: "
        f"{_listed(models) or 'none'}; `{AUTO}` leaves the choice to Arawn"
    )
    raise Refused(refusal(404, "model_not_found", message))


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
