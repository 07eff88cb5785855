"""`arawn init`: a first configuration file, from flags or from what a person answers."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

import click
import trio

from arawn.backends.presets import PRESETS
from arawn.cli.output import note, printable, say
from arawn.cli.utf8 import require_utf8
from arawn.config.discover import LOCAL_MODEL, Facts
from arawn.config.initial import initial_profile, initial_text
from arawn.config.load import load
from arawn.config.paths import config_dir, expanded
from arawn.config.probe import gather_facts
from arawn.config.schema import Profile
from arawn.errors import BadInput, ConfigError
from arawn.interactions.filesystem import Filesystem, make_directories

__all__ = ["init"]

_DIALECTS = ("openai", "anthropic")


@click.command()
@click.option("--backend", metavar="KIND", help=f"Who answers: {', '.join(PRESETS)}.")
@click.option("--model", metavar="NAME", help="The provider's name of the model; for `local` a GGUF file or a package.")
@click.option("--base-url", metavar="URL", help="Where the provider is; needed for `custom`.")
@click.option("--dialect", metavar="DIALECT", help="What a `custom` provider speaks: openai or anthropic.")
@click.option("--api-key-env", metavar="VARIABLE", help="The variable that holds the key, if not the usual one.")
@click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write this file instead of the user's own.",
)
def init(backend: str | None, config_file: Path | None, **given: str | None) -> None:
    """Write a first configuration file with comments; what no option says is asked.

    A file that is there already is left alone. No key is asked for or written: the file names the variable that holds
    it.
    """
    path = (
        Path.cwd() / expanded(str(config_file), os.environ) if config_file else config_dir(os.environ) / "config.toml"
    )
    _require_nothing_at(path)
    profile = initial_profile(_asked(backend, given))
    preset = PRESETS.get(profile.backend)
    usual_key = preset.key_env if preset else None
    _write(path, initial_text(profile, usual_key=usual_key))
    say(f"written: {path}")
    key = profile.api_key_env or usual_key
    if key and not os.environ.get(key):
        note(f"next: put the key into the variable `{key}`")
    note(f"next: `arawn backends test{'' if config_file is None else f' --config {config_file}'}`")


def _require_nothing_at(path: Path) -> None:
    if path.exists() or path.is_symlink():
        raise BadInput(
            f"`{path}` is there already, and stays as it is; `arawn config show` shows what is configured, "
            "`--config FILE` writes another file"
        )


def _asked(backend: str | None, given: dict[str, str | None]) -> Profile:
    """Return the profile that the options and the answers make."""
    if sys.stdin.isatty():
        facts = trio.run(gather_facts, os.environ)
        backend = backend or _answer(f"backend ({', '.join(PRESETS)})", _offered(facts))
        given["model"] = given["model"] or _answer("model", _model_of(backend, facts))
        if backend == "custom":
            given["base_url"] = given["base_url"] or _answer("base_url")
            given["dialect"] = given["dialect"] or _answer(f"dialect ({', '.join(_DIALECTS)})", _DIALECTS[0])
            given["api_key_env"] = given["api_key_env"] or _answer("variable that holds the key, if any", "") or None
    has_model = given["model"] or backend == "scripted"  # which needs none
    missing = [name for name, value in (("--backend", backend), ("--model", has_model)) if not value]
    if missing or not backend:
        raise click.UsageError(f"{_all_of(missing)} missing, and stdin is no terminal on which to ask")
    if backend not in PRESETS:
        raise BadInput(f"`{backend}` is no backend; there are {', '.join(PRESETS)}")
    if given["dialect"] not in (None, *_DIALECTS):
        raise BadInput(f"`{given['dialect']}` is no dialect; there are {', '.join(_DIALECTS)}")
    return Profile(backend=backend, **given)  # type: ignore[arg-type]  # the dialect is one of the two


def _all_of(names: Sequence[str]) -> str:
    return f"{' and '.join(f'`{name}`' for name in names)} {'is' if len(names) == 1 else 'are'}"


def _answer(question: str, usual: str | None = None) -> str:
    answer = click.prompt(printable(question, sys.stderr), default=usual, err=True, show_default=bool(usual))
    return require_utf8(answer.strip(), "the answer")


def _offered(facts: Facts) -> str | None:
    """Return the backend that this machine is ready for, if any."""
    if facts.keys:
        return min(facts.keys)
    if facts.ollama_model is not None:
        return "ollama"
    return "local" if facts.local_engine else None


def _model_of(backend: str, facts: Facts) -> str | None:
    return {"ollama": facts.ollama_model, "local": LOCAL_MODEL, "scripted": "echo"}.get(backend)


def _write(path: Path, text: str) -> None:
    """Write a file that is not there yet; what is no right configuration does not stay.

    Raises:
        ConfigError: It is not right.
        BadInput: The file cannot be written, or another program was first.
    """
    try:
        make_directories(Filesystem(), path.parent)
        with open(path, "x", encoding="utf-8", opener=_private) as file:
            _fill(file, text)
    except FileExistsError:
        _require_nothing_at(path)
        raise
    except OSError as error:
        raise BadInput(f"`{path}` cannot be written: {error.strerror}; `--config FILE` names another file") from error
    try:
        load(config_file=path, environ={}, cwd=Path.cwd())
    except ConfigError as error:
        path.unlink()
        # no place in a file that is gone
        raise ConfigError([line.removeprefix(str(path)).partition(": ")[2] for line in error.problems]) from None


def _fill(file: TextIO, text: str) -> None:
    """Write all of `text`; a file that cannot hold it does not stay."""
    try:
        file.write(text)
        file.flush()
    except OSError:
        Path(file.name).unlink()
        raise


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
