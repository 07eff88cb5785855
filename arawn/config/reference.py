"""The tables of keys in `docs/configuration.md`, rendered from the schema so that they cannot lie.

`python -m arawn.config.reference docs/configuration.md` renews the tables in that file.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import NODEFAULT, inspect

from arawn.config import schema
from arawn.config.describe import accepted, as_kind, plain

__all__ = ["BEGIN", "END", "MEANINGS", "renewed", "tables"]

BEGIN = "<!-- keys: rendered by `python -m arawn.config.reference docs/configuration.md` -->"
END = "<!-- end of keys -->"

_PROFILE = "`[llm]`, `[llm.NAME]`, `[llm_profiles.NAME]` or `[routing.profiles.NAME]`"
_TABLES: tuple[tuple[str, type[msgspec.Struct]], ...] = (
    (f"{_PROFILE}: one profile", schema.Profile),
    ("`timeouts` in a profile", schema.TimeoutsConfig),
    ("`retry` in a profile", schema.RetryConfig),
    ("`[workstreams]`", schema.WorkstreamsConfig),
    ("`[workstreams.named.NAME]`", schema.NamedWorkstream),
    ("`[routing]`", schema.RoutingConfig),
    ("`[[routing.rules]]`", schema.RoutingRule),
    ("`[routing.classifier]`", schema.ClassifierConfig),
    ("`[agent]`", schema.AgentConfig),
    ("`[tools.NAME]`", schema.ToolSource),
    ("`[logging.interactions]`", schema.InteractionLogConfig),
    ("`[server]`", schema.ServerConfig),
)

MEANINGS: dict[tuple[type[msgspec.Struct], str], str] = {
    (schema.Profile, "backend"): "The kind of provider: `anthropic`, `openai`, `ollama`, `local`, `custom` and others.",
    (schema.Profile, "model"): "The model to ask for; every backend but `scripted` needs one.",
    (schema.Profile, "dialect"): "What a `custom` backend speaks; only for `custom`, which needs it.",
    (schema.Profile, "base_url"): "Where requests go instead of the provider's address; `custom` needs it.",
    (schema.Profile, "api_key"): "The key itself. Give at most one of the three `api_key…` keys.",
    (
        schema.Profile,
        "api_key_env",
    ): "The environment variable that holds the key; none means the provider's usual one.",
    (schema.Profile, "api_key_command"): "A program and its arguments; what it prints is the key.",
    (schema.Profile, "max_tokens"): "Longest answer, in tokens, for requests that do not say.",
    (schema.Profile, "temperature"): "Sampling temperature for requests that do not say.",
    (schema.Profile, "top_p"): "Nucleus sampling for requests that do not say.",
    (schema.Profile, "stop"): "Texts that end an answer, for requests that do not say.",
    (schema.Profile, "headers"): "HTTP headers sent with every request.",
    (schema.Profile, "extra"): "Merged into the body of every request as it is.",
    (schema.Profile, "max_concurrency"): "Calls in flight at once.",
    (schema.Profile, "mailbox"): "Calls that may wait their turn; one more waits for room; over HTTP it gets 503.",
    (schema.Profile, "requests_per_minute"): "Calls begun per minute; none sets no limit.",
    (schema.Profile, "tokens_per_minute"): "Tokens per minute; none sets no limit.",
    (schema.Profile, "timeouts"): "Deadlines of one attempt, see below.",
    (schema.Profile, "retry"): "How often a call is tried, see below.",
    (schema.Profile, "script"): "The file of replies; only for `scripted`, which echoes without one.",
    (schema.TimeoutsConfig, "connect_s"): "Seconds for the connection, TLS included.",
    (schema.TimeoutsConfig, "first_token_s"): "Seconds until the first token of an answer.",
    (schema.TimeoutsConfig, "idle_s"): "Seconds between two parts of a streamed answer.",
    (schema.TimeoutsConfig, "total_s"): "Seconds for the whole attempt.",
    (schema.RetryConfig, "attempts"): "Attempts in all; 1 never retries.",
    (schema.RetryConfig, "initial_s"): "Seconds before the second attempt; each later wait is longer.",
    (schema.RetryConfig, "max_s"): "Longest wait in seconds; a provider that asks for more fails the call.",
    (schema.WorkstreamsConfig, "database"): "The SQLite file of conversations; none means the state directory.",
    (schema.WorkstreamsConfig, "idle_after_s"): "Seconds without a message after which a workstream leaves memory.",
    (schema.WorkstreamsConfig, "named"): "Standing settings of single workstreams, see below.",
    (schema.NamedWorkstream, "profile"): "The profile to use until the workstream is bound to another.",
    (schema.NamedWorkstream, "system_prompt"): "The system prompt of its calls.",
    (schema.NamedWorkstream, "tags"): "Tags on the records of its calls.",
    (schema.RoutingConfig, "enabled"): "Choose a profile for calls that name none, as routing.md says.",
    (schema.RoutingConfig, "default"): "The profile of calls that name none; none means the one of `[llm]`.",
    (schema.RoutingConfig, "rules"): "In order, see below; the first one that matches decides.",
    (
        schema.RoutingConfig,
        "policy",
    ): "A policy of your own in place of rules and classifier, as `module:attribute`.",
    (schema.RoutingConfig, "keywords"): "Texts that make a request at least `moderate`; upper and lower case are one.",
    (schema.RoutingConfig, "moderate_length_gt"): "A longer message, in characters, is at least `moderate`.",
    (schema.RoutingConfig, "complex_length_gt"): "A longer message, in characters, is `complex`.",
    (schema.RoutingConfig, "complex_tools_gt"): "A request with more tools is `complex`.",
    (schema.RoutingConfig, "classifier"): "Choice by likeness to past requests, see below.",
    (schema.RoutingRule, "name"): "A name of its own; it stands in the log and in explanations.",
    (schema.RoutingRule, "condition"): "What must hold, all of it; the keys are in routing.md.",
    (schema.RoutingRule, "profile"): "The profile of requests that it matches.",
    (schema.ClassifierConfig, "file"): "What `arawn route train` wrote; none means no classifier.",
    (schema.ClassifierConfig, "embeddings"): "The profile whose `/v1/embeddings` is asked; `file` needs it.",
    (schema.ClassifierConfig, "threshold"): "Below this likeness the rules decide.",
    (schema.ClassifierConfig, "deadline_s"): "Seconds for one embedding; past them the rules decide.",
    (schema.AgentConfig, "max_iterations"): "Calls to the model in one turn with tools; then it ends, `truncated`.",
    (schema.AgentConfig, "tool_deadline_s"): "Seconds that a tool may take, unless it says otherwise itself.",
    (schema.AgentConfig, "tool_result_bytes"): "Bytes of text in a tool result; what is longer is cut, and says so.",
    (schema.ToolSource, "python"): "`module:attribute`: a function, or a list of them. Give one of these three keys.",
    (schema.ToolSource, "command"): "A program and its arguments: an MCP server over stdio.",
    (schema.ToolSource, "env"): "Environment variables that `command` gets beside the few that every program needs.",
    (schema.ToolSource, "url"): "The address of an MCP server over HTTP.",
    (schema.ToolSource, "bearer_env"): "The environment variable that holds the token for `url`.",
    (schema.ToolSource, "only"): "The tools of it that may be used; none means all.",
    (schema.ToolSource, "deadline_s"): "Seconds that its tools may take; none means `agent.tool_deadline_s`.",
    (schema.InteractionLogConfig, "enabled"): "Write every call to the interaction log.",
    (schema.InteractionLogConfig, "path"): "Directory of the log; none means `interactions/` beside the user's file.",
    (
        schema.InteractionLogConfig,
        "retention_days",
    ): "Days before today that are kept, by the date in the file's name; 0 keeps all.",
    (schema.InteractionLogConfig, "include_messages"): "Record what was said to the model.",
    (schema.InteractionLogConfig, "include_responses"): "Record what the model said.",
    (schema.InteractionLogConfig, "truncate_tool_results"): "Characters of a tool result that are kept; 0 keeps all.",
    (
        schema.InteractionLogConfig,
        "redact_secrets",
    ): "Replace keys of known shapes, and secrets of this process.",
    (
        schema.InteractionLogConfig,
        "sync",
    ): "When records reach the disk: in groups, one by one, or when the system likes.",
    (
        schema.InteractionLogConfig,
        "overflow",
    ): "When 64 MiB wait for the disk: calls wait, or records lose their bodies.",
    (schema.InteractionLogConfig, "answer_wait_ms"): "Longest an answer waits for its record, in milliseconds.",
    (
        schema.InteractionLogConfig,
        "compact_after_days",
    ): "Full days after which a day becomes `.jsonl.zst`; 0 means never.",
    (schema.ServerConfig, "listen"): "Host and port of the HTTP door; port 0 lets the system pick.",
    (schema.ServerConfig, "socket"): 'The Unix socket; none means the runtime directory, `""` means no socket.',
    (schema.ServerConfig, "auth"): '`"none"` asks for no token; only on a loopback address.',
    (
        schema.ServerConfig,
        "allowed_hosts",
    ): "Names and addresses accepted as `Host` beside the loopback ones: no port, scheme or pattern.",
    (schema.ServerConfig, "shutdown_grace_s"): "Seconds that calls in flight get when the daemon stops.",
}


def tables() -> str:
    """Return one Markdown table of keys for each table of the configuration."""
    return "\n".join(line for title, kind in _TABLES for line in _table(title, kind))


def renewed(page: str) -> str:
    """Return `page` with what stands between its two marks replaced by the tables.

    Raises:
        ValueError: If a mark is missing.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"cannot renew the tables of keys: the page needs the lines {BEGIN!r} and {END!r}")
    return f"{before}{begin}\n\n{tables()}\n{end}{after}"


def _table(title: str, kind: type[msgspec.Struct]) -> Iterator[str]:
    yield from (f"### {title}", "", "| key | accepted | default | meaning |", "| --- | --- | --- | --- |")
    described = inspect.type_info(kind)
    assert isinstance(described, inspect.StructType), "a struct describes itself as one"
    for field in described.fields:
        words = accepted(as_kind(field.type))
        yield f"| `{field.name}` | {words} | {_default(field)} | {MEANINGS[kind, field.name]} |"
    yield ""


def _default(field: inspect.Field) -> str:
    if field.required:
        return "required"
    if field.default_factory is not NODEFAULT or isinstance(field.default, msgspec.Struct):
        return "empty"
    return "none" if field.default is None else f"`{plain(field.default)}`"


if __name__ == "__main__":
    page = Path(sys.argv[1])
    page.write_text(renewed(page.read_text(encoding="utf-8")), encoding="utf-8")
