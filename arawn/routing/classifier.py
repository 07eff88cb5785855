"""The policy that knows requests by their likeness to past ones, and leaves the unsure ones to the rules."""

from __future__ import annotations

import msgspec
import trio

from arawn.messages import CompletionRequest
from arawn.routing.decision import RoutingDecision
from arawn.routing.embeddings import EmbeddingFailed, EmbeddingProvider
from arawn.routing.features import asked_texts, beginning
from arawn.routing.layered import LayeredPolicy
from arawn.routing.policy import require_profile
from arawn.routing.prototypes import EMBEDDED_CHARACTERS, Prototypes, directions, likeness

__all__ = ["EmbeddingClassifierPolicy"]


class EmbeddingClassifierPolicy:
    """The nearest prototype if it is near enough, else whatever the rules say; the reason tells which and why."""

    def __init__(
        self,
        embedder: EmbeddingProvider,
        prototypes: Prototypes,
        fallback: LayeredPolicy,
        *,
        threshold: float,
        deadline: float,
    ) -> None:
        """Make the policy; nothing is sent yet.

        Args:
            embedder: Makes the vector of a request.
            prototypes: What it is compared with.
            fallback: Decides when the classifier is unsure or has no vector.
            threshold: The least confidence that counts, within 0..1. Config: `routing.classifier.threshold`.
            deadline: Seconds for one vector. Config: `routing.classifier.deadline_s`.
        """
        self._embedder = embedder
        self._known = directions(prototypes)
        self._fallback = fallback
        self._threshold = threshold
        self._deadline = deadline

    async def route(self, request: CompletionRequest, /) -> RoutingDecision:
        """Return the decision; a vector that does not come within the deadline is done without.

        Raises:
            UnknownProfile: The profile that decides is not configured.

        Checkpoint: unless the request holds no text.
        If cancelled: the request for the vector is cancelled.
        """
        text = beginning(asked_texts(request), EMBEDDED_CHARACTERS)
        if not text.strip():
            return self._unsure(request, "the request has no text")
        found = await self._embedded(text)
        if isinstance(found, str):
            return self._unsure(request, found)
        length = len(self._known.centre)
        if len(found) != length:
            return self._unsure(request, f"an embedding of length {len(found)}, trained on {length}")
        nearest = likeness(self._known, found)
        if nearest is None:
            return self._unsure(request, "an embedding without direction")
        if nearest.confidence < self._threshold:
            return self._unsure(request, f"{nearest.profile} {nearest.confidence:.2f} is below {self._threshold:g}")
        return RoutingDecision(
            require_profile(nearest.profile, self._fallback.known),
            f"Classifier({nearest.confidence:.2f})",
            nearest.confidence,
            self._fallback.features(request),
        )

    async def _embedded(self, text: str) -> list[float] | str:
        """Return the vector, or why there is none."""
        with trio.move_on_after(self._deadline):
            try:
                (vector,) = await self._embedder.embed([text])
                return [float(value) for value in vector]
            except EmbeddingFailed as error:
                return error.why
            except Exception as error:  # noqa: BLE001  # whatever a provider does, the rules can still decide
                return type(error).__name__  # its text may hold content
        return f"no embedding within {self._deadline:g} s"

    def _unsure(self, request: CompletionRequest, why: str) -> RoutingDecision:
        decision = self._fallback.decide(request)
        return msgspec.structs.replace(decision, reason=f"{decision.reason}; classifier: {why}")
