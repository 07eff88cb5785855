from __future__ import annotations

import msgspec

from arawn.backends.attempt import with_profile
from arawn.backends.verbatim import Verbatim, VerbatimMessages
from arawn.config.schema import Profile
from arawn.messages import CompletionRequest, user

PROFILE = Profile(
    backend="openai", model="m", max_tokens=5, temperature=0.5, top_p=0.4, stop=("X",), extra={"a": 1, "b": 1}
)


def test_an_open_request_takes_everything_from_the_profile() -> None:
    """What the request leaves open is the profile's."""
    request = with_profile(CompletionRequest(messages=(user("hi"),)), PROFILE)

    assert request == CompletionRequest(
        messages=(user("hi"),), model="m", max_tokens=5, temperature=0.5, top_p=0.4, stop=("X",), extra={"a": 1, "b": 1}
    )


def test_what_the_request_says_wins() -> None:
    """Zero, and an empty list of stops, are values too; `extra` is merged key by key."""
    asked = CompletionRequest(
        messages=(), model="n", max_tokens=9, temperature=0.0, top_p=1.0, stop=(), extra={"b": 2, "c": 3}
    )

    merged = with_profile(asked, PROFILE)

    assert (merged.model, merged.max_tokens, merged.temperature, merged.top_p, merged.stop) == ("n", 9, 0.0, 1.0, ())
    assert merged.extra == {"a": 1, "b": 2, "c": 3}


def test_what_is_no_completion_takes_the_model_alone() -> None:
    """Embeddings are told no temperature, so the record does not say it; nor do they wait for so many tokens."""
    verbatim = Verbatim("openai", b'{"input": "hi"}', path="/embeddings")
    asked = CompletionRequest(messages=VerbatimMessages.of((user("hi"),), verbatim))

    assert with_profile(asked, PROFILE) == msgspec.structs.replace(asked, model="m")
