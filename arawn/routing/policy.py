"""Which profile takes a call, and why. Pure: the one function that every door uses."""

from __future__ import annotations

from collections.abc import Collection

from arawn.arguments import require_kind
from arawn.errors import UnknownProfile
from arawn.messages import RoutingMetadata

__all__ = ["choose_profile", "require_profile"]


def choose_profile(
    *, hint: str | None, bound: str | None, default: str | None, known: Collection[str]
) -> RoutingMetadata:
    """Return the profile for a call: the caller's hint, else the workstream's binding, else the default.

    Args:
        hint: The profile named on the call itself.
        bound: The profile that the workstream is bound to.
        default: `[routing] default`, else `default` when `[llm]` is there; None when neither is.
        known: The profiles there are.

    Raises:
        UnknownProfile: The name that decides is not configured (or nothing decides); never a silent fallback.
            Of a binding the message says how to change it, of a missing default how to name a profile.
    """
    if hint is None and bound is not None and bound not in known:
        raise _unknown_binding(bound, known)
    for name, reason in ((hint, "CallerHint"), (bound, "Workstream"), (default, "Default")):
        if name is not None:
            return RoutingMetadata(require_profile(name, known), reason)
    raise _no_default(known)


def require_profile(name: str, known: Collection[str]) -> str:
    """Return `name` if it is configured.

    Raises:
        BadInput: It is no text.
        UnknownProfile: It is not; the error lists the names there are.
    """
    require_kind("profile", name, str)
    if name not in known:
        raise UnknownProfile(name, known)
    return name


def _no_default(known: Collection[str]) -> UnknownProfile:
    """Return the error for a call that names no profile where nothing says which one it goes to."""
    named = "name one with `-p` (`profile=` in Python, `model` or `routing_profile` over HTTP)"
    remedy = f"{named}, or set `[llm]` or `[routing] default`"
    return UnknownProfile("default", known, why=f"no profile was named and there is no default: {remedy}")


def _unknown_binding(name: str, known: Collection[str]) -> UnknownProfile:
    """Return the error for a binding to a profile that a new configuration no longer has."""
    error = UnknownProfile(name, known)
    remedy = "bind it to another, with `bind` of its handle or `arawn workstreams bind WORKSTREAM PROFILE`"
    error.args = (f"{error}; the workstream is bound to `{name}`; {remedy}",)
    return error
