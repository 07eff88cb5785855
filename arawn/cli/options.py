"""Options that several commands share, how their values are read, and the configuration that `--config` names."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from arawn.config import load
from arawn.config.paths import interactions_dir
from arawn.config.schema import Config
from arawn.errors import BadInput

__all__ = ["config_option", "configured", "json_option", "lines_of", "log_directory", "tag_option", "tags_of"]

config_option = click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Read this configuration file alone.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
tag_option = click.option("--tag", "tags", multiple=True, metavar="KEY=VALUE", help="A tag; may be given repeatedly.")


def tags_of(texts: tuple[str, ...]) -> dict[str, str]:
    """Return the tags given as `key=value`.

    Raises:
        click.BadParameter: One has no key or no equals sign.
    """
    tags = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not (key and equals):
            raise click.BadParameter(f"`{text}` is no tag; write it as `key=value`", param_hint="--tag")
        tags[key] = value
    return tags


def lines_of(source: str) -> list[tuple[str, bytes]]:
    """Return the lines of a file, or of stdin for `-`, that are not empty, each with its place as `file:number`.

    Raises:
        BadInput: It cannot be read.
    """
    name = "stdin" if source == "-" else source
    try:
        data = sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
    except OSError as error:
        raise BadInput(f"`{source}` cannot be read: {error.strerror or error}") from error
    return [(f"{name}:{number}", line) for number, line in enumerate(data.split(b"\n"), 1) if line.strip()]


def configured(config_file: Path | None) -> Config:
    """Return the configuration, without looking for profiles if it has none.

    Raises:
        ConfigError: It is wrong; every problem is listed.
    """
    return load(config_file=config_file, environ=os.environ, cwd=Path.cwd()).config


def log_directory(config_file: Path | None) -> Path:
    """Return the directory of the interaction log, which need not exist. Errors as for `configured`."""
    return interactions_dir(configured(config_file), os.environ)
