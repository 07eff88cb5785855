"""The configuration as frozen structs; every default stands here and nowhere else. Pure data."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

import msgspec
from msgspec import Meta

from arawn.config.hidden import masked

__all__ = [
    "AgentConfig",
    "ClassifierConfig",
    "Config",
    "InteractionLogConfig",
    "LoggingConfig",
    "NamedWorkstream",
    "Profile",
    "RetryConfig",
    "RoutingConfig",
    "RoutingRule",
    "ServerConfig",
    "TimeoutsConfig",
    "ToolSource",
    "WorkstreamsConfig",
]

Seconds = Annotated[float, Meta(gt=0, le=86_400)]
Count = Annotated[int, Meta(ge=1, le=1_000_000)]
Days = Annotated[int, Meta(ge=0, le=36_500)]


class TimeoutsConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Four deadlines of one attempt, in seconds."""

    connect_s: Seconds = 5.0
    first_token_s: Seconds = 60.0
    idle_s: Seconds = 30.0
    total_s: Seconds = 600.0


class RetryConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How often one call is tried, and the exponential waits in between, in seconds. `attempts = 1` never retries."""

    attempts: Annotated[int, Meta(ge=1, le=100)] = 4
    initial_s: Annotated[float, Meta(ge=0, le=3_600)] = 0.5
    max_s: Annotated[float, Meta(ge=0, le=3_600)] = 20.0


class _Hiding(msgspec.Struct, frozen=True):
    """A table that may hold secrets; no `repr` shows them."""

    def __repr__(self) -> str:
        """Return it as `arawn config show` would: what is secret is hidden."""
        return msgspec.Struct.__repr__(self._without_secrets())

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """Return what `rich` shows of it, in tracebacks too: what is secret is hidden."""
        return msgspec.Struct.__rich_repr__(self._without_secrets())

    def _without_secrets(self) -> Self:
        given = msgspec.structs.asdict(self)
        shown = {key: masked(value, (key,)) for key, value in given.items()}
        tuples = {key: tuple(shown[key]) for key, value in given.items() if isinstance(value, tuple)}
        return msgspec.structs.replace(self, **shown | tuples)


class Profile(_Hiding, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One named backend. `dialect` belongs to `custom`; `script` (a file) to `scripted`; see docs/configuration.md."""

    backend: str
    model: str | None = None
    dialect: Literal["openai", "anthropic"] | None = None
    base_url: str | None = None
    api_key: str | None = None
    api_key_env: str | None = None
    api_key_command: tuple[str, ...] | None = None
    max_tokens: Count | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(gt=0, le=1)] | None = None
    stop: tuple[str, ...] | None = None
    headers: dict[str, str] = {}
    extra: dict[str, Any] = {}
    max_concurrency: Annotated[int, Meta(ge=1, le=10_000)] = 16
    mailbox: Annotated[int, Meta(ge=1, le=1_000_000)] = 256
    requests_per_minute: Count | None = None
    tokens_per_minute: Annotated[int, Meta(ge=1)] | None = None
    timeouts: TimeoutsConfig = TimeoutsConfig()
    retry: RetryConfig = RetryConfig()
    script: str | None = None


class NamedWorkstream(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Standing settings of one workstream; what is stored by `workstreams bind` wins over `profile`."""

    profile: str | None = None
    system_prompt: str | None = None
    tags: dict[str, str] = {}


class WorkstreamsConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where conversations are kept. `database` None means the user's state directory."""

    database: str | None = None
    idle_after_s: Seconds = 900.0
    named: dict[str, NamedWorkstream] = {}


class RoutingRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One rule: every part of `condition` must hold. Conditions are checked by `arawn.routing.conditions`."""

    name: str
    condition: dict[str, Any]
    profile: str


class ClassifierConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Choice of profile by likeness to past requests; off unless `file`, which `arawn route train` writes, is named."""

    file: str | None = None
    embeddings: str | None = None
    threshold: Annotated[float, Meta(ge=0, le=1)] = 0.3
    deadline_s: Annotated[float, Meta(gt=0, le=60)] = 0.5


class RoutingConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Choice of profile by rules, a classifier or a policy of the user's own; off unless enabled."""

    enabled: bool = False
    default: str | None = None
    rules: tuple[RoutingRule, ...] = ()
    policy: str | None = None
    keywords: tuple[str, ...] = (
        "analyze",
        "implement",
        "refactor",
        "debug",
        "architect",
        "compare",
        "evaluate",
        "design",
        "optimize",
        "explain why",
        "step by step",
        "write code",
        "fix the bug",
    )
    moderate_length_gt: Annotated[int, Meta(ge=0)] = 500
    complex_length_gt: Annotated[int, Meta(ge=0)] = 2000
    complex_tools_gt: Annotated[int, Meta(ge=0)] = 3
    classifier: ClassifierConfig = ClassifierConfig()


class AgentConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How far a turn with tools may go."""

    max_iterations: Annotated[int, Meta(ge=1, le=10_000)] = 25
    tool_deadline_s: Seconds = 120.0
    tool_result_bytes: Annotated[int, Meta(ge=1_000, le=100_000_000)] = 262_144


class ToolSource(_Hiding, frozen=True, forbid_unknown_fields=True):
    """One source of tools: a Python module, or an MCP server over stdio (`command`) or HTTP (`url`)."""

    python: str | None = None
    command: tuple[str, ...] | None = None
    env: tuple[str, ...] = ()
    url: str | None = None
    bearer_env: str | None = None
    only: tuple[str, ...] | None = None
    deadline_s: Seconds | None = None


class InteractionLogConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The interaction log; see docs/interaction-log.md for what each key promises."""

    enabled: bool = True
    path: str | None = None
    retention_days: Days = 90
    include_messages: bool = True
    include_responses: bool = True
    truncate_tool_results: Annotated[int, Meta(ge=0)] = 2048
    redact_secrets: bool = True
    sync: Literal["group", "always", "off"] = "group"
    overflow: Literal["block", "shed_bodies"] = "block"
    answer_wait_ms: Annotated[int, Meta(ge=0, le=600_000)] = 2000
    compact_after_days: Days = 1


class LoggingConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Parent of `[logging.interactions]`."""

    interactions: InteractionLogConfig = InteractionLogConfig()


class ServerConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The daemon's doors. `socket` None means the user's runtime directory, "" means none."""

    listen: str = "127.0.0.1:8470"
    socket: str | None = None
    auth: Literal["token", "none"] = "token"
    allowed_hosts: tuple[str, ...] = ()
    shutdown_grace_s: Annotated[float, Meta(ge=0, le=3_600)] = 10.0


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """The whole merged configuration. `profiles` holds `[llm]` as "default" beside every named profile."""

    profiles: dict[str, Profile] = {}
    workstreams: WorkstreamsConfig = WorkstreamsConfig()
    routing: RoutingConfig = RoutingConfig()
    agent: AgentConfig = AgentConfig()
    tools: dict[str, ToolSource] = {}
    logging: LoggingConfig = LoggingConfig()
    server: ServerConfig = ServerConfig()
