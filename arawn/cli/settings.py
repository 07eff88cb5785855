"""The configuration as commands need it that do not run anything: where things are."""

from __future__ import annotations

import os
from pathlib import Path

from arawn.config import load
from arawn.config.paths import interactions_dir
from arawn.config.schema import Config

__all__ = ["configured", "log_directory"]


def configured(config_file: Path | None) -> Config:
    """Return the configuration, without looking for profiles if it has none.

    Raises:
        ConfigError: It is wrong; every problem is listed.
    """
    return load(config_file=config_file, environ=os.environ, cwd=Path.cwd()).config


def log_directory(config_file: Path | None) -> Path:
    """Return the directory of the interaction log, which need not exist. Errors as for `configured`."""
    return interactions_dir(configured(config_file), os.environ)
