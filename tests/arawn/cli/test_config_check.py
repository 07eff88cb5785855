"""What `config check` finds beyond the text of the files, without starting anything."""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path

import pytest

from arawn.backends.preflight import Obstacle, preflight
from arawn.config.schema import Config, Profile
from tests.arawn.cli.conftest import Command, Result
from tests.arawn.cli.place import Place

FINE = '[llm]\nbackend = "scripted"\n'


def checked(command: Command, place: Place, text: str) -> Result:
    place.configure(text)
    return command("config", "check")


@pytest.mark.parametrize(
    ("profile", "named"),
    [
        ('backend = "scripted"\nscript = "/nowhere/s.toml"', "/nowhere/s.toml: script of profile `x`: cannot be read"),
        ('backend = "local"\nmodel = "/nowhere/m.gguf"', "there is no file `/nowhere/m.gguf`"),
        ('backend = "local"\nmodel = "no-such-package"', "`no-such-package` is neither a file nor"),
        ('backend = "local"\nmodel = "/dev/null"\nextra = { n_ctx = "x" }', "profile `x`: extra: "),
    ],
)
def test_what_can_never_work_is_a_problem_in_any_profile(
    command: Command, place: Place, profile: str, named: str
) -> None:
    """It would keep the daemon from starting; code 2."""
    result = checked(command, place, f"{FINE}[llm_profiles.x]\n{profile}\n")

    assert (result.code, result.out) == (2, "")
    assert named in result.err


def test_a_missing_key_is_a_problem_of_the_default_profile_alone(command: Command, place: Place) -> None:
    """For any other it is a note, and the code stays 0."""
    keyless = '[{}]\nbackend = "openai"\nmodel = "m"\n'

    default = checked(command, place, keyless.format("llm"))
    other = checked(command, place, FINE + keyless.format("llm_profiles.x"))

    assert default.code == 2
    assert default.err.startswith("arawn: profile `default` (openai) has no key")
    assert other.code == 0
    assert other.err.startswith("note: profile `x` (openai) has no key")
    assert "the configuration is right" in other.out


def test_that_there_is_no_default_is_a_note(command: Command, place: Place) -> None:
    """Calls may name their profile; one that names none is told the same, and no name that nobody gave."""
    result = checked(command, place, '[llm_profiles.a]\nbackend = "scripted"\n')
    asked = command("ask", "hi")

    assert (result.code, result.err.splitlines()[0].partition(":")[0]) == (0, "note")
    assert "no profile is the default" in result.err
    assert "no profile is the default" not in checked(command, place, FINE).err
    assert (asked.code, asked.out) == (2, "")
    assert asked.err.startswith("arawn: no profile was named and there is no default: name one with `-p`")
    assert asked.err.endswith("; the profiles are: `a`\n")


def test_a_key_command_is_not_run(command: Command, place: Place) -> None:
    """It might ask for a password."""
    trace = place.directory / "trace"
    text = f'[llm]\nbackend = "openai"\nmodel = "m"\napi_key_command = ["touch", "{trace}"]\n'

    assert checked(command, place, text).code == 0
    assert not trace.exists()


@pytest.mark.parametrize(("program", "where"), [("/no/such", ""), ("./no-such", ""), ("no-such-program", " in `PATH`")])
def test_a_key_command_whose_program_is_not_there_is_a_problem(
    command: Command, place: Place, program: str, where: str
) -> None:
    """The default profile could not start; its arguments, which may be secret, are not shown."""
    text = f'[llm]\nbackend = "openai"\nmodel = "m"\napi_key_command = ["{program}", "s3cret"]\n'

    result = checked(command, place, text)

    assert result.code == 2
    assert f"`api_key_command` `{program}` for its key: there is no such program{where}; install it" in result.err
    assert "s3cret" not in result.err


def test_impossible_places_are_problems(command: Command, place: Place) -> None:
    """Every one has its line, beside what else is wrong; nothing is made."""
    file = place.directory / "file"
    file.write_text("")
    text = f"""
[llm]
backend = "openai"
model = "m"
[logging.interactions]
path = "{file}/log"
[workstreams]
database = "{place.directory}"
[server]
socket = "{file}/s/arawn.sock"
"""

    lines = checked(command, place, text).err.splitlines()

    assert lines[0] == "arawn: the configuration cannot be used:"
    for part in ("OPENAI_API_KEY", "logging.interactions.path", "workstreams.database", "server.socket"):
        assert len([line for line in lines[1:] if part in line]) == 1
    assert not (place.directory / "state").exists()


@pytest.mark.parametrize("token", ["", "two words"])
def test_a_token_of_the_environment_that_start_refuses_is_a_problem(
    command: Command, place: Place, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    """In the words of start; without a check of tokens it is none."""
    monkeypatch.setenv("ARAWN_TOKEN", token)

    refused = checked(command, place, FINE)
    unused = checked(command, place, f'{FINE}[server]\nauth = "none"\n')

    assert (refused.code, unused.code) == (2, 0)
    assert refused.err.startswith("arawn: environment ARAWN_TOKEN: the token must be one or more visible ASCII")


def test_a_token_file_that_others_may_read_is_a_problem(command: Command, place: Place) -> None:
    """With what to do; it is left as it is."""
    file = place.directory / "state" / "token"
    file.parent.mkdir()
    file.write_text("t0ken")
    file.chmod(0o644)

    result = checked(command, place, FINE)

    assert result.code == 2
    assert f"others may read the token file (mode 0644); run `chmod 600 {file}`" in result.err
    assert file.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("host", ["*", "*.team.example", "arawn.team.example:443", "https://arawn.team.example"])
def test_a_host_that_never_matches_is_a_problem(command: Command, place: Place, host: str) -> None:
    """At its place in the file, with what fits."""
    result = checked(command, place, f'{FINE}[server]\nallowed_hosts = ["box.lan", "{host}"]\n')

    assert result.code == 2
    assert f"server.allowed_hosts[1]: found `{host}`; accepted: a name such as" in result.err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_that_may_not_be_written_to_is_a_problem(command: Command, place: Place) -> None:
    """Named with where the permission is missing."""
    (place.directory / "forbidden").mkdir(mode=0o500)

    result = checked(command, place, f'{FINE}[logging.interactions]\npath = "{place.directory}/forbidden/log"\n')

    assert result.code == 2
    assert "permission denied" in result.err


async def test_a_missing_engine_is_fatal_for_the_default_profile_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As a missing key is."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    model = tmp_path / "m.gguf"
    model.write_bytes(b"")
    local = Profile(backend="local", model=str(model))

    found = await preflight(Config(profiles={"default": local, "other": local}), {})

    text = "profile `{}` (local): the model server is missing; run `pip install 'arawn[local]'`"
    assert found == [
        Obstacle("default", text.format("default"), fatal=True),
        Obstacle("other", text.format("other"), fatal=False),
    ]


VECTORS = """[llm_profiles.vectors]
backend = "custom"
dialect = "openai"
base_url = "http://127.0.0.1:9/v1"
model = "m"
"""


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ('policy = "nomod:x"', "nomod"),
        ('policy = "os:path"', "os:path"),
        ('[routing.classifier]\nfile = "nowhere.json"\nembeddings = "vectors"\n' + VECTORS, "nowhere.json"),
    ],
)
def test_a_routing_that_cannot_begin_is_no_right_configuration(
    settings: str, said: str, command: Command, place: Place
) -> None:
    """What would stop the start is said by the check."""
    place.configure(f'[llm]\nbackend = "scripted"\nmodel = "echo"\n[routing]\nenabled = true\n{settings}\n')

    result = command("config", "check")
    examined = command("doctor", "--json")

    assert result.code == 2
    assert said in result.err
    assert "Traceback" not in result.err
    (found,) = (one["found"] for one in json.loads(examined.out) if one["what"] == "routing")
    assert said in found


def test_tools_that_cannot_be_used_are_no_right_configuration(command: Command, place: Place) -> None:
    """Every one has its line; a module that ends the program as it is imported ends nothing."""
    tools = """
[tools.a]
python = "tests.arawn.agent.leaving_tools:x"
[tools.b]
command = ["no-such-program"]
[tools.c]
url = "http://127.0.0.1:9/mcp"
bearer_env = "NO_SUCH_TOKEN"
[tools.d]
python = "tests.arawn.agent.my_tools:voices"
"""

    result = checked(command, place, FINE + tools)

    assert (result.code, result.out) == (2, "")
    for words in ("tools.a.python: ", "tools.b.command: ", "tools.c.bearer_env: "):
        assert result.err.count(words) == 1
    assert "tools.d" not in result.err


def test_a_policy_that_needs_the_loop_to_be_made_is_right(command: Command, place: Place) -> None:
    """It is made where a start makes it: within trio."""
    place.configure(FINE + '\n[routing]\nenabled = true\npolicy = "tests.arawn.test_reload_policy:Clocked"\n')

    assert command("config", "check").code == 0


@pytest.mark.parametrize(
    "text", ["x = " + "[" * 5000 + "]" * 5000, ".".join(["x"] * 3000) + " = 1", "x = " + "[" * 101 + "]" * 101]
)
def test_what_is_nested_too_deeply_is_named(place: Place, command: Command, text: str) -> None:
    """With its file; a hundred tables or arrays in each other are none too many."""
    place.configure(text)
    refused = command("config", "check")
    place.configure('[llm]\nbackend = "scripted"\nextra.x = ' + "[" * 98 + "]" * 98)

    assert (refused.code, refused.out) == (2, "")
    assert "config.toml: nested too deeply: " in refused.err
    assert command("config", "show").code == 0
