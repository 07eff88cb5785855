"""The backends that take calls now, and how a new configuration replaces them without dropping a call.

Whoever makes a call looks its profile up in `refs` at that moment. A reload starts what is new beside what is old,
changes the map in one step, and lets the old ones end by themselves.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import partial
from operator import ne
from types import MappingProxyType

import msgspec
import trio
from trio_util import AsyncValue, wait_any  # type: ignore[import-untyped]

import actors
from actors import ActorError, ChildSpec, Ref, Stopped, Supervisor
from arawn.backends.actor import Call
from arawn.backends.health import BackendHealth, ToldHealth
from arawn.config import default_profile
from arawn.config.schema import Config, Profile
from arawn.errors import ArawnError, ConfigError, Unavailable
from arawn.interactions.secret_set import SecretSet
from arawn.reload_plan import ReloadPlan, compared
from arawn.status import BackendStatus

__all__ = ["Followed", "RunningBackends", "drain"]

_ROOM_POLL_S = 0.05
_STOPPED = "the configuration was not put in force: the runtime has stopped, or is stopping"


class Followed(msgspec.Struct, frozen=True):
    """What a reload did, and the backends that take no more calls and are to be drained.

    `draining` counts the old backends that have calls to finish, those of earlier reloads too.
    """

    plan: ReloadPlan
    retired: tuple[Ref[Call], ...]
    draining: int = 0

    async def wait_drained(self) -> None:
        """End the backends that take no more calls, and return once the calls that they have are done.

        Checkpoint: always.
        If cancelled: as for `drain`.
        """
        async with trio.open_nursery() as nursery:
            for ref in self.retired:
                nursery.start_soon(drain, ref)


class _Running(msgspec.Struct, frozen=True):
    name: str
    label: str
    profile: Profile
    ref: Ref[Call]
    health: ToldHealth


class RunningBackends:
    """The one owner of the map from profile to backend, and of the configuration in force."""

    def __init__(
        self,
        supervisor: Supervisor,
        config: Config,
        *,
        secrets: SecretSet,
        secrets_of: Callable[[Config], Iterable[str]],
        make: Callable[[str, str, Profile, ToldHealth], ChildSpec[Call]],
    ) -> None:
        """Make an empty map; `start` fills it.

        Args:
            supervisor: The parent of every backend.
            config: As it passed every check.
            secrets: The texts that must not reach any record.
            secrets_of: Says which texts a configuration adds to them.
            make: Returns the spec of a backend: its label, profile name, profile, and where it reports its health.
        """
        self.config = config
        self._supervisor = supervisor
        self.secrets = secrets
        self._secrets_of = secrets_of
        self._make = make
        self._running: dict[str, _Running] = {}
        self._retired: list[_Running] = []
        self._reloads = AsyncValue(0)
        self._refs: dict[str, Ref[Call]] = {}
        self.refs: Mapping[str, Ref[Call]] = MappingProxyType(self._refs)

    async def start(self) -> None:
        """Start the backends of the configuration; those that take long go on starting afterwards.

        Raises:
            Exception: Whatever the start of one of them raised.

        Checkpoint: always.
        If cancelled: those started so far are in the map.
        """
        self.secrets.add(self._secrets_of(self.config))
        for name, profile in self.config.profiles.items():
            running = await self._started(name, profile)
            self._adopt(name, running)
            if name != default_profile(self.config) and running.health.value.state == "starting":
                running.health.value = BackendHealth("starting", since=datetime.now(UTC))  # nobody waits for its news

    async def settled(self) -> None:
        """Wait until it is known whether the default profile can take calls.

        Checkpoint: always.
        If cancelled: nothing has changed.
        """
        await trio.lowlevel.checkpoint()
        while (running := self._default()) is not None and running.health.value.state == "starting":
            reload = partial(self._reloads.wait_value, partial(ne, self._reloads.value))  # seen, however soon it is
            await wait_any(partial(_settled, running), reload)  # another one may be the default

    def require_default(self) -> None:
        """Raise `Unavailable` if the default profile cannot take calls as things are."""
        running = self._default()
        if running is not None and running.health.value.state == "unavailable":
            raise Unavailable(running.health.value.reason or "", retryable=False)

    def _default(self) -> _Running | None:
        return self._running.get(default_profile(self.config) or "")

    async def follow(self, config: Config) -> Followed:
        """Put a new configuration in force; calls queued or under way stay where they are.

        Everything new is started before anything is changed: if one backend cannot be, nothing is changed. One call at
        a time.

        Args:
            config: As it passed every check.

        Raises:
            ConfigError: A backend cannot be started; every problem is listed.
            Stopped: The backends have ended, or are ending.

        Checkpoint: always.
        If cancelled: nothing has changed.
        """
        if self._supervisor.stopping:
            await trio.lowlevel.checkpoint()
            raise Stopped(_STOPPED)
        self.secrets.add(self._secrets_of(config))
        running_now = {name: running.profile for name, running in self._running.items()}
        plan = compared(self.config, config, running_now, config.profiles)
        anew = {name: profile for name, profile in config.profiles.items() if name not in plan.unchanged}
        fresh = await self._all_started(anew, config)
        retired = [self._running[name] for name in (*plan.replaced, *plan.stopped)]
        self._retired = [*self._still_here(), *retired]
        every = {**self._running, **fresh}
        self._running.clear()
        self._refs.clear()
        for name in config.profiles:
            self._adopt(name, every[name])
        self.config = plan.in_force
        self._reloads.value += 1
        draining = sum(1 for old in self.draining() if old.queued or old.in_hand)
        return Followed(plan, tuple(running.ref for running in retired), draining)

    async def end(self) -> None:
        """Stop every backend at once, those that are being drained too; calls in hand are cancelled and recorded.

        Checkpoint: always.
        If cancelled: they stop without this caller.
        """
        self._supervisor.request_stop(0)
        async with trio.open_nursery() as nursery:
            for running in (*self._running.values(), *self._retired):
                nursery.start_soon(running.ref.stop, 0)

    def health(self, name: str) -> BackendHealth:
        """Return how a backend is."""
        return self._running[name].health.value

    def statuses(self) -> tuple[BackendStatus, ...]:
        """Return how each backend is, in the order of the configuration."""
        children = self._children()
        return tuple(
            _status(running, children.get(running.label, running.ref.status())) for running in self._running.values()
        )

    def draining(self) -> tuple[BackendStatus, ...]:
        """Return how the old backends are that take no more calls and finish those that they have."""
        children = self._children()
        return tuple(
            _status(running, children.get(running.label, running.ref.status())) for running in self._still_here()
        )

    def _still_here(self) -> list[_Running]:
        """Return the old ones that have not ended; a later backend may have taken the label of one that has."""
        return [running for running in self._retired if running.ref.status().state != "stopped"]

    def _children(self) -> dict[str, actors.Status]:
        return {child.name: child for child in self._supervisor.status().children}

    def _adopt(self, name: str, running: _Running) -> None:
        self._running[name] = running
        self._refs[name] = running.ref

    async def _all_started(self, wanted: Mapping[str, Profile], config: Config) -> dict[str, _Running]:
        """Start all of them or none."""
        fresh: dict[str, _Running] = {}
        complete = False
        try:
            problems = [line for name in wanted for line in await self._try_start(name, wanted[name], fresh)]
            for running in fresh.values():
                await _settled(running)
            problems += _missing(default_profile(config), fresh)
            complete = not problems
        finally:
            if not complete:
                with trio.CancelScope(shield=True):  # bounded: they have no calls, and a deadline for their clean-up
                    for running in fresh.values():
                        await running.ref.stop(0)
        if problems:
            raise ConfigError(problems)
        return fresh

    async def _try_start(self, name: str, profile: Profile, fresh: dict[str, _Running]) -> list[str]:
        """Start one into `fresh`, or return why it cannot be."""
        try:
            fresh[name] = await self._started(name, profile)
        except ConfigError as error:
            return list(error.problems)
        except Stopped as stopped:
            raise Stopped(_STOPPED) from stopped
        except (ArawnError, ActorError, OSError) as error:
            return [f"profile `{name}`: it cannot be started: {error}"]
        return []

    async def _started(self, name: str, profile: Profile) -> _Running:
        taken = {child.name for child in self._supervisor.status().children}
        label, number = f"backend:{name}", 1
        while label in taken:
            number += 1
            label = f"backend:{name}~{number}"
        health = ToldHealth(name)
        ref = await self._supervisor.start(self._make(label, name, profile, health))
        return _Running(name, label, profile, ref, health)


async def _settled(running: _Running) -> None:
    await running.health.wait_value(lambda health: health.state != "starting")


def _status(running: _Running, actor: actors.Status) -> BackendStatus:
    health = running.health.value
    return BackendStatus(
        profile=running.name,
        kind=running.profile.backend,
        model=running.profile.model,
        health=health.state,
        reason=health.reason,
        since=health.since,
        actor=actor.state,
        queued=actor.queued + actor.waiting,
        in_hand=actor.in_hand,
        mailbox=actor.bound,
        restarts=actor.restarts,
        last_crash=actor.last_crash,
    )


def _missing(default: str | None, fresh: Mapping[str, _Running]) -> list[str]:
    """Return why the default profile cannot do without: a start is refused for that too."""
    running = fresh.get(default or "")
    if running is None or running.health.value.state != "unavailable":
        return []
    return [f"profile `{default}`, the default one: {running.health.value.reason}"]


async def drain(ref: Ref[Call]) -> None:
    """End a backend that nobody sends to any more, once the calls that it has are done, however long they take.

    Senders that still wait for room get it first: a mailbox that is closed would turn them away.

    Checkpoint: always.
    If cancelled: it goes on with what it has; a stop of its supervisor ends it.
    """
    while (status := ref.status()).bound and status.queued >= status.bound:  # noqa: ASYNC110  # nothing tells of room
        await trio.sleep(_ROOM_POLL_S)
    await ref.stop(math.inf)
