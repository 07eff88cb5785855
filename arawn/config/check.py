"""The checks of a `Config` that was built in Python rather than loaded from files."""

from __future__ import annotations

import msgspec

from arawn.config.keypath import dotted
from arawn.config.profiles import NamedProfile
from arawn.config.rules import config_findings
from arawn.config.schema import Config
from arawn.errors import ConfigError

__all__ = ["checked"]


def checked(config: Config) -> Config:
    """Return `config` if it would pass as a file.

    Raises:
        ConfigError: It would not; every problem is listed.
    """
    try:
        config = msgspec.convert(msgspec.to_builtins(config), Config)
    except (msgspec.ValidationError, TypeError, UnicodeEncodeError) as error:
        raise ConfigError([f"Config: {error}"]) from error
    entries = [NamedProfile(name, ("profiles", name), profile) for name, profile in config.profiles.items()]
    findings = list(config_findings(config, entries))
    if findings:
        raise ConfigError(f"Config: {dotted(finding.path)}: {finding.text}" for finding in findings)
    return config
