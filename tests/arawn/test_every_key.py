"""Every configuration key changes behaviour: no key is without a test."""

from __future__ import annotations

import typing
from pathlib import Path

import msgspec

from arawn.config.schema import Config, Profile
from tests.arawn import test_keys_of_calls, test_keys_of_stores  # noqa: F401 - importing them fills SHOWN
from tests.arawn.shown_keys import SHOWN

ELSEWHERE = {  # key -> the test that shows it, where that needs the whole program or lives with its subject
    "routing.enabled": "tests/arawn/routing/test_layered.py",
    "routing.default": "tests/arawn/config/test_profiles.py",
    "routing.rules": "tests/arawn/routing/test_layered.py",
    "routing.policy": "tests/arawn/routing/test_own_policy.py",
    "routing.keywords": "tests/arawn/routing/test_features.py",
    "routing.moderate_length_gt": "tests/arawn/routing/test_features.py",
    "routing.complex_length_gt": "tests/arawn/routing/test_features.py",
    "routing.complex_tools_gt": "tests/arawn/routing/test_features.py",
    "routing.classifier.file": "tests/arawn/routing/test_classifier.py",
    "routing.classifier.embeddings": "tests/arawn/routing/test_classifier.py",
    "routing.classifier.threshold": "tests/arawn/routing/test_classifier.py",
    "routing.classifier.deadline_s": "tests/arawn/routing/test_classifier.py",
    "agent.max_iterations": "tests/arawn/agent/test_settings.py",
    "agent.tool_deadline_s": "tests/arawn/agent/test_settings.py",
    "agent.tool_result_bytes": "tests/arawn/agent/test_settings.py",
    "tools.*.python": "tests/arawn/agent/test_servers.py",
    "tools.*.command": "tests/arawn/agent/test_mcp.py",
    "tools.*.env": "tests/arawn/agent/test_mcp.py",
    "tools.*.url": "tests/arawn/agent/test_mcp.py",
    "tools.*.bearer_env": "tests/arawn/agent/test_mcp.py",
    "tools.*.only": "tests/arawn/agent/test_servers.py",
    "tools.*.deadline_s": "tests/arawn/agent/test_servers.py",
    "logging.interactions.sync": "tests/arawn/interactions/test_writer.py",
    "server.listen": "tests/system/test_daemon.py",
    "server.socket": "tests/system/test_daemon.py",
    "server.shutdown_grace_s": "tests/system/test_daemon.py",
    "server.auth": "tests/arawn/server/test_auth.py",
    "server.allowed_hosts": "tests/arawn/server/test_auth.py",
}


def leaves(kind: type[msgspec.Struct], prefix: str) -> list[str]:
    """Return the dotted path of every key below a schema struct."""
    found = []
    for field in msgspec.structs.fields(kind):
        path = f"{prefix}.{field.encode_name}"
        inner = field.type
        arguments = typing.get_args(inner)
        if typing.get_origin(inner) is dict and msgspec.inspect.is_struct_type(arguments[1]):
            inner, path = arguments[1], f"{path}.*"
        found += leaves(inner, path) if msgspec.inspect.is_struct_type(inner) else [path]
    return found


def all_keys() -> set[str]:
    tables = [path.removeprefix(".") for path in leaves(Config, "") if not path.startswith(".profiles.")]
    return {*leaves(Profile, "llm"), *tables}


def test_no_key_is_without_a_test() -> None:
    """The keys shown here and elsewhere are exactly the keys there are."""
    assert SHOWN | set(ELSEWHERE) == all_keys()
    assert not SHOWN & set(ELSEWHERE)
    for key, path in ELSEWHERE.items():
        source = Path(path).read_text("utf-8")
        assert key.rpartition(".")[2] in source, f"{path} does not speak of `{key}`"
