"""Options that several commands share, and how their values are read."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["config_option", "json_option", "quiet_option", "tag_option", "tags_of"]

config_option = click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Read this configuration file alone.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
quiet_option = click.option("-q", "--quiet", is_flag=True, help="Print nothing but the answer and errors.")
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
