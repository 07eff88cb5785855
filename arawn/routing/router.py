"""The one who chooses the profile of every call of a runtime, and who changes with its configuration."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Collection, Mapping

import msgspec

from arawn.config import default_profile
from arawn.config.describe import is_utf8
from arawn.config.schema import Config
from arawn.errors import ArawnError, UnknownProfile
from arawn.foreign_errors import passing_on
from arawn.messages import CompletionRequest, RoutingMetadata
from arawn.routing.decision import PolicyFailed, RoutingDecision, RoutingPolicy, metadata_of
from arawn.routing.explain import Explanation, explained
from arawn.routing.policy import choose_profile, require_profile
from arawn.routing.prepared import Prepared, prepared

__all__ = ["Router"]

REASON_CHARACTERS = 200  # of a policy's own: the reason travels in a header and stands in every record

_LOG = logging.getLogger("arawn.routing")


class Router:
    """Chooses profiles: a hint or a binding at once and before any policy, everything else as the policy says."""

    def __init__(
        self,
        config: Config,
        known: Collection[str],
        environ: Mapping[str, str],
        given: RoutingPolicy | None = None,
    ) -> None:
        """Read and import what the configuration names.

        Args:
            config: As it passed every check.
            known: The profiles that calls can go to now; it changes with the configuration by itself.
            environ: The process environment.
            given: A policy in place of what the configuration names.

        Raises:
            ConfigError: The policy cannot be imported, or the classifier's file cannot be used.
        """
        self._known = known
        self._environ = environ
        self._given = given
        self._default = default_profile(config)
        self._prepared = prepared(config, known, environ, given)

    async def start(self) -> None:
        """Ready what decides: the key for embeddings. Without this it is looked for with the first call.

        Checkpoint: only if a command prints the key.
        If cancelled: the command is killed.
        """
        await self._prepared.start()

    def settled(self, *, hint: str | None, bound: str | None) -> RoutingMetadata | None:
        """Return the profile of a call if no policy has to be asked; None if one has.

        Args:
            hint: The profile named on the call itself.
            bound: The profile that its workstream is bound to.

        Raises:
            UnknownProfile: The name that decides is not configured.
        """
        if hint is None and bound is None and self._prepared.policy is not None:
            return None
        return choose_profile(hint=hint, bound=bound, default=self._default, known=self._known)

    async def choose(self, request: CompletionRequest) -> RoutingMetadata:
        """Return what the policy decides for a call that names no profile and is bound to none.

        Raises:
            UnknownProfile: A rule or the default names a profile that is not configured.
            PolicyFailed: The policy raised, decided nothing, or named a profile that is not configured.

        Checkpoint: only if the policy waits.
        If cancelled: nothing was sent.
        """
        return metadata_of(await self._decide(request), self._known)

    async def explain(self, request: CompletionRequest, *, hint: str | None, bound: str | None) -> Explanation:
        """Return what `settled` and `choose` would decide, with what every rule says; nothing is sent to a model.

        Raises:
            UnknownProfile, PolicyFailed: As for those.

        Checkpoint: only if the policy waits.
        If cancelled: nothing has changed.
        """
        settled = self.settled(hint=hint, bound=bound)
        if settled is None:
            decision = await self._decide(request)
        else:
            decision = RoutingDecision(settled.profile, settled.reason, settled.confidence)
        return explained(self._prepared.layered, request, decision, hint=hint, bound=bound)

    def prepare(self, config: Config) -> Prepared:
        """Return what would decide under another configuration; nothing is changed. Errors as for `Router`.

        Whoever takes it starts it, and closes it if it is not adopted.
        """
        return prepared(config, self._known, self._environ, self._given)

    async def adopt(self, config: Config, fresh: Prepared) -> None:
        """Decide by another configuration from now on; what the old one held open is closed after its last call.

        Checkpoint: only if something is closed, after the change.
        If cancelled: the change is made.
        """
        old, self._prepared, self._default = self._prepared, fresh, default_profile(config)
        await old.aclose()

    async def aclose(self) -> None:
        """Close what is open.

        Checkpoint: only if something is. If cancelled: it is closed all the same.
        """
        await self._prepared.aclose()

    async def _decide(self, request: CompletionRequest) -> RoutingDecision:
        policy = self._prepared.policy
        if policy is None or policy is self._prepared.layered:  # None: a reload turned routing off since `settled`
            return self._prepared.layered.decide(request)
        try:
            return await self._asked(policy, request)
        except PolicyFailed as failed:
            kind = type(failed.__cause__).__name__ if failed.__cause__ else "no decision"
            _LOG.warning("the routing policy failed (%s); the call was not made", kind)  # its text may hold content
            raise

    async def _asked(self, policy: RoutingPolicy, request: CompletionRequest) -> RoutingDecision:
        try:
            answer = policy.route(request)
            decision = await answer if inspect.isawaitable(answer) else answer
        except ArawnError:
            raise
        except BaseException as error:  # whatever a policy does, it does not end the program
            passing = passing_on(error)
            if passing is not None:
                raise passing from None  # noqa: ASYNC104  # it is the cancellation
            raise PolicyFailed(  # noqa: ASYNC104  # no cancellation is in it
                f"the routing policy failed ({type(error).__name__}: {error}); nothing was sent"
            ) from error
        _require_sound(decision)
        try:
            require_profile(decision.profile, self._known)
        except UnknownProfile as error:
            raise PolicyFailed(f"the routing policy chose an {error}; nothing was sent") from error
        if len(decision.reason) > REASON_CHARACTERS:
            reason = f"{decision.reason[: REASON_CHARACTERS - 1]}…"
            decision = msgspec.structs.replace(decision, reason=reason)
        return decision


def _require_sound(decision: object) -> None:
    """Return if the answer of a policy, which may be anybody's, is one that records can hold.

    Raises:
        PolicyFailed: It is not.
    """
    if not isinstance(decision, RoutingDecision):
        kind = type(decision).__name__
        raise PolicyFailed(f"the routing policy answered with a {kind}; accepted: a RoutingDecision; nothing was sent")
    try:
        msgspec.convert(msgspec.to_builtins(decision), RoutingDecision)
    except (msgspec.ValidationError, TypeError) as error:
        raise PolicyFailed(f"the decision of the routing policy does not fit: {error}; nothing was sent") from error
    if not is_utf8(decision.reason):
        raise PolicyFailed("the reason of the routing policy is no text that UTF-8 can hold; nothing was sent")
    if not 0 <= decision.confidence <= 1:
        sure = decision.confidence
        raise PolicyFailed(f"the routing policy is sure at {sure}; accepted: a number within 0..1; nothing was sent")
