"""What a request leaves open is taken from the profile. Pure."""

from __future__ import annotations

import msgspec

from arawn.config.schema import Profile
from arawn.messages import CompletionRequest

__all__ = ["with_profile"]


def with_profile(request: CompletionRequest, profile: Profile) -> CompletionRequest:
    """Return `request` with the profile's settings where it has none.

    `extra` is merged key by key; the request's value wins.
    """
    return msgspec.structs.replace(
        request,
        model=profile.model if request.model is None else request.model,
        max_tokens=profile.max_tokens if request.max_tokens is None else request.max_tokens,
        temperature=profile.temperature if request.temperature is None else request.temperature,
        top_p=profile.top_p if request.top_p is None else request.top_p,
        stop=profile.stop if request.stop is None else request.stop,
        extra={**profile.extra, **request.extra},
    )
