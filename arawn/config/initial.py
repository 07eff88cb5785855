"""The text of a first configuration file: one profile, and behind `#` what else can be set. Pure."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from arawn.config.discover import LOCAL_MODEL, LOCAL_PROFILE
from arawn.config.schema import Profile

__all__ = ["initial_profile", "initial_text"]

_HEAD = """\
# Arawn's configuration. What stands behind a `#` is a default or an example; docs/configuration.md has every key.
# After a change: `arawn config check`, and `arawn reload` where a daemon runs.

[llm]                               # the profile that answers when none is named
"""

_REST = """\
# max_concurrency = 16              # calls at once
# mailbox = 256                     # calls that may wait for their turn; one more gets 503
# timeouts = { connect_s = 5, first_token_s = 60, idle_s = 30, total_s = 600 }
# retry = { attempts = 4, initial_s = 0.5, max_s = 20 }

# [llm_profiles.fast]               # any number of others: `arawn ask --profile fast`
# backend = "scripted"              # answers without a network, for trying things out
# model = "echo"

# [routing]                         # the choice of a profile by rules: `arawn route explain PROMPT`
# enabled = true
# [[routing.rules]]                 # in order, the first that matches
# name = "simple-questions"
# condition = { complexity = "simple", has_tools = false }
# profile = "fast"

# [workstreams]
# idle_after_s = 900                # a conversation leaves memory after so long; its history stays

# [logging.interactions]            # the interaction log
# enabled = true
# retention_days = 90               # 0 keeps for ever
# include_messages = true
# include_responses = true
# truncate_tool_results = 2048      # characters kept of a tool result in the log; 0 keeps all
# redact_secrets = true
# sync = "group"                    # "always": each answer waits for the disk; "off": the system decides
# overflow = "block"                # "shed_bodies": records lose their texts where the disk is too slow
# answer_wait_ms = 2000             # longest an answer waits for its record
# compact_after_days = 1            # closed days are compressed; 0 never

# [server]                          # the daemon
# listen = "127.0.0.1:8470"
# auth = "token"
# shutdown_grace_s = 10             # calls in flight get so long when it stops
"""


def initial_profile(profile: Profile) -> Profile:
    """Return `profile` with what its model needs: the small model package is used as it is without a configuration."""
    if (profile.backend, profile.model) == (LOCAL_PROFILE.backend, LOCAL_MODEL):
        return LOCAL_PROFILE
    return profile


def initial_text(profile: Profile, *, usual_key: str | None) -> str:
    """Return a configuration whose default profile is `profile`.

    Args:
        profile: Only values that differ from the defaults are written.
        usual_key: The variable that holds the key if `profile` names none.
    """
    lines = [f"{key} = {value}" for key, value in _settings(profile)]
    if usual_key and profile.api_key_env is None:
        lines.append(f"# {f'api_key_env = {_written(usual_key)}':<33} # the variable that holds the key")
    return _HEAD + "\n".join(lines) + "\n" + _REST


def _settings(profile: Profile) -> Iterator[tuple[str, str]]:
    unset = Profile(backend="")
    for key, value in msgspec.structs.asdict(profile).items():
        if value != getattr(unset, key):
            yield key, _written(value)


def _written(value: object) -> str:
    """Return `value` as TOML, whose texts, numbers and booleans are those of JSON, but for one character."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_written(key)} = {_written(item)}" for key, item in value.items()) + " }"
    return msgspec.json.encode(value).decode().replace("\x7f", "\\u007f")
