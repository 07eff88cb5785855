from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from arawn.config.load import Loaded, Source, load
from arawn.config.schema import Config, Profile
from arawn.errors import ConfigError

OLLAMA = '[llm]\nbackend = "ollama"\nmodel = "m"\n'


class Place:
    """A user's directory and a project's directory, with the files that a test writes."""

    def __init__(self, path: Path) -> None:
        self.user, self.project = path / "user", path / "project"
        self.user.mkdir()
        self.project.mkdir()

    def load(
        self,
        environ: Mapping[str, str] = {},
        *,
        config_file: Path | None = None,
        flags: Mapping[str, object] = {},
        in_use: Sequence[Path] = (),
    ) -> Loaded:
        environ = {"ARAWN_CONFIG_DIR": str(self.user), **environ}
        return load(config_file=config_file, environ=environ, flags=flags, cwd=self.project, in_use=in_use)

    def problems(self, text: str | bytes, **environ: str) -> tuple[str, ...]:
        (self.project / "arawn.toml").write_bytes(text if isinstance(text, bytes) else text.encode())
        with pytest.raises(ConfigError) as caught:
            self.load(environ)
        return caught.value.problems


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_without_any_file_there_are_defaults_and_no_profiles(place: Place) -> None:
    """Nothing configured is not an error here: what to use then is for `discovered` to say."""
    loaded = place.load()

    assert loaded.config == Config()
    assert loaded.files == ()
    assert loaded.sources["server.listen"] == Source("127.0.0.1:8470", "default")


def test_later_layers_override_earlier_ones_key_by_key(place: Place) -> None:
    """User's file, project's file, environment, flags: each wins over those before it, for its own keys only."""
    (place.user / "config.toml").write_text(
        '[llm]\nbackend = "ollama"\nmodel = "user"\ntop_p = 0.1\nstop = ["a", "b"]\n'
    )
    (place.project / "arawn.toml").write_text(
        '[llm]\nmodel = "project"\ntop_p = 0.2\nstop = ["c"]\n[server]\nlisten = "h:1"'
    )

    loaded = place.load({"ARAWN_LLM__TOP_P": "0.3", "ARAWN_SERVER__LISTEN": "h:2"}, flags={"server.listen": "h:3"})

    assert loaded.config.profiles == {"default": Profile(backend="ollama", model="project", top_p=0.3, stop=("c",))}
    assert loaded.config.server.listen == "h:3"
    assert loaded.files == (place.user / "config.toml", place.project / "arawn.toml")
    assert {key: loaded.sources[f"llm.{key}"].origin for key in ("backend", "model", "top_p", "mailbox")} == {
        "backend": f"{place.user}/config.toml:2",
        "model": "arawn.toml:2",
        "top_p": "environment ARAWN_LLM__TOP_P",
        "mailbox": "default",
    }
    assert loaded.sources["server.listen"] == Source("h:3", "flag --listen")


def test_a_named_file_is_read_alone(place: Place) -> None:
    """`--config` replaces both searched files, but not the environment."""
    (place.user / "config.toml").write_text('[llm_profiles.user]\nbackend = "nope"')
    (place.project / "arawn.toml").write_text("syntax error")
    (place.project / "other.toml").write_text(OLLAMA)

    loaded = place.load({"ARAWN_LLM__MODEL": "n"}, config_file=Path("other.toml"))

    assert loaded.config.profiles == {"default": Profile(backend="ollama", model="n")}
    assert loaded.files == (place.project / "other.toml",)
    assert loaded.sources["llm.backend"].origin == "other.toml:2"


def test_a_named_file_must_exist(place: Place) -> None:
    """A missing file of `--config` is an error, not an empty configuration."""
    with pytest.raises(ConfigError, match=r"gone\.toml: no such file"):
        place.load(config_file=Path("gone.toml"))


def test_a_file_in_use_must_still_be_there(place: Place) -> None:
    """Each that is gone is named beside what else is wrong; one that has come since is read as ever."""
    (user := place.user / "config.toml").write_text(OLLAMA)
    project = place.project / "arawn.toml"
    first = place.load()
    project.write_text('llm.model = "project"')
    second = place.load(in_use=first.files)
    user.unlink()
    project.write_text("llm.typo = 1")
    with pytest.raises(ConfigError) as caught:
        place.load(in_use=second.files)

    assert (second.files, second.config.profiles["default"].model) == ((user, project), "project")
    gone, typo = caught.value.problems
    assert (gone.startswith(f"{user}: the file is gone"), typo.startswith("arawn.toml:1: llm.typo")) == (True, True)


def test_all_problems_come_at_once_with_their_lines(place: Place) -> None:
    """One error lists every mistake of every layer, each with file, line and key path."""
    (place.user / "config.toml").write_text("\n[server]\nport = 1\n")
    text = """
        [llm]
        backend = "antropic"
        max_tokens = 0
        temprature = 1

        [llm_profiles.fast]
        backend = "groq"
        retry = { attempts = 0 }

        [workstreams.named.x]
        profile = "gone"
    """

    problems = place.problems(text, ARAWN_LLM__MAILBOX="many", ARAWN_LOG="x")

    assert [problem.partition(": ")[0] + " " + problem.split(": ")[1] for problem in problems] == [
        f"{place.user}/config.toml:3 server.port",
        "arawn.toml:4 llm.max_tokens",
        "arawn.toml:5 llm.temprature",
        "arawn.toml:9 llm_profiles.fast.retry.attempts",
        "environment ARAWN_LLM__MAILBOX llm.mailbox",
        "environment ARAWN_LOG log",
        "arawn.toml:3 llm.backend",
        "arawn.toml:2 llm.model",
        "arawn.toml:7 llm_profiles.fast.model",
        "arawn.toml:12 workstreams.named.x.profile",
    ]
    assert problems[6].endswith("(did you mean `anthropic`?)")


def test_a_wrong_value_is_reported_though_a_later_layer_replaces_it(place: Place) -> None:
    """A mistake does not hide behind an override."""
    problems = place.problems(OLLAMA + "mailbox = 0\n", ARAWN_LLM__MAILBOX="5")

    assert [problem.partition(": ")[0] for problem in problems] == ["arawn.toml:4"]


def test_a_value_found_wrong_is_not_called_missing_as_well(place: Place) -> None:
    """One mistake gives one line."""
    (problem,) = place.problems('[llm]\nbackend = "ollama"\nmodel = 5\n')

    assert problem == "arawn.toml:3: llm.model: found the integer `5`; accepted: a string"


@pytest.mark.parametrize(
    ("content", "start"),
    [
        (b"[llm]\nmodel = \n", "arawn.toml:2: not TOML: Invalid value"),
        (b"[llm]\nmodel = 'x", "arawn.toml:2: not TOML: "),
        (b"[llm]\nmodel = 'x'\nmodel = 'y'\n", "arawn.toml:3: not TOML: Cannot overwrite a value"),
        (b"[llm]\n# caf\xe9\n", "arawn.toml:2: not UTF-8: byte 0xe9"),
        (b"x = " + b"9" * 5000, "arawn.toml:1: not TOML: "),
    ],
)
def test_a_file_that_cannot_be_parsed_is_named_with_the_line(place: Place, content: bytes, start: str) -> None:
    """A syntax error or a wrong encoding is one problem line; the other layers are still checked."""
    problems = place.problems(content, ARAWN_LLM__MAILBOX="0")

    assert problems[0].startswith(start)
    assert [problem.partition(":")[0] for problem in problems[1:]] == ["environment ARAWN_LLM__MAILBOX"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_a_problem(place: Place) -> None:
    """What the user may not read is reported, not skipped."""
    (place.project / "arawn.toml").write_text(OLLAMA)
    (place.project / "arawn.toml").chmod(0)

    with pytest.raises(ConfigError, match=r"arawn\.toml: cannot be read: Permission denied"):
        place.load()


def test_a_directory_in_place_of_a_file_is_a_problem(place: Place) -> None:
    """What is there but cannot be read is reported, not skipped."""
    (place.project / "arawn.toml").mkdir()

    with pytest.raises(ConfigError, match=r"arawn\.toml: cannot be read: Is a directory"):
        place.load()


def test_editors_of_other_systems_are_understood(place: Place) -> None:
    """A byte order mark and carriage returns neither hurt nor move the lines."""
    (problem,) = place.problems(b"\xef\xbb\xbf" + OLLAMA.replace("\n", "\r\n").encode() + b"mailbox = 0\r\n")

    assert problem.startswith("arawn.toml:4: llm.mailbox:")


def test_three_spellings_make_one_table_of_profiles(place: Place) -> None:
    """A profile is the same wherever it is written."""
    table = 'backend = "ollama"\nmodel = "m"\n'
    text = (
        f"[llm]\n{table}[llm.a]\n{table}[llm_profiles.b]\n{table}[routing.profiles.c]\n{table}[routing]\ndefault = 'c'"
    )
    (place.project / "arawn.toml").write_text(text)

    loaded = place.load()

    assert loaded.config.profiles == dict.fromkeys(["default", "a", "b", "c"], Profile(backend="ollama", model="m"))
    assert loaded.sources["routing.profiles.c.model"] == Source("m", "arawn.toml:12")
    assert loaded.config.routing.default == "c"


def test_a_name_in_two_places_is_reported_at_both(place: Place) -> None:
    """The same profile in two spellings is a mistake, in one file or across files."""
    (place.user / "config.toml").write_text('[llm_profiles.a]\nbackend = "ollama"\nmodel = "m"')

    problems = place.problems('[llm.a]\nbackend = "ollama"\nmodel = "m"')

    assert problems == (
        "arawn.toml:1: llm.a: profile `a` is also configured at `llm_profiles.a`; keep one of them",
        f"{place.user}/config.toml:1: llm_profiles.a: profile `a` is also configured at `llm.a`; keep one of them",
    )


def test_a_lone_model_takes_the_backend_whose_key_is_set(place: Place) -> None:
    """`ARAWN_LLM__MODEL` and one provider's key are a whole configuration, and the source says why."""
    loaded = place.load({"ARAWN_LLM__MODEL": "m", "GROQ_API_KEY": "x"})

    assert loaded.config.profiles == {"default": Profile(backend="groq", model="m")}
    assert loaded.sources["llm.backend"] == Source("groq", "chosen because GROQ_API_KEY is set")


def test_a_lone_model_without_a_key_lacks_its_backend(place: Place) -> None:
    """Where no key tells, the backend has to be named."""
    with pytest.raises(
        ConfigError, match=r"^environment ARAWN_LLM__MODEL: llm\.backend: missing; accepted: `anthropic`"
    ):
        place.load({"ARAWN_LLM__MODEL": "m"})


def test_rules_without_their_keys_name_each_one(place: Place) -> None:
    """Rules are not available; what they lack does not matter yet."""
    problems = place.problems(OLLAMA + "[[routing.rules]]\n")

    assert [problem.partition(";")[0] for problem in problems] == [
        f"arawn.toml:4: routing.rules[0].{key}: missing" for key in ("name", "profile", "condition")
    ]


def test_tables_of_free_keys_merge_too(place: Place) -> None:
    """A header of the project joins those of the user."""
    (place.user / "config.toml").write_text(OLLAMA + 'headers = { a = "1", b = "1" }')
    (place.project / "arawn.toml").write_text('[llm.headers]\nb = "2"')

    loaded = place.load()

    assert loaded.config.profiles["default"].headers == {"a": "1", "b": "2"}
    assert loaded.sources["llm.headers.a"] == Source("1", f"{place.user}/config.toml:4")
    assert loaded.sources["llm.headers.b"] == Source("2", "arawn.toml:2")


SECRET = "s5011\ns5011"  # never valid, so every error has a chance to print it
SECTIONS = ["llm", "llm_profiles", "routing", "workstreams", "server", "default", "fast", "profiles", "rules", "named"]
NAMES = ["name", "profile", "backend", "model", "base_url", "listen", "auth", "api_key", "headers", "x-api-key", "stop"]
KEYS = st.sampled_from([*SECTIONS, *NAMES, "extra", "a\nb"])
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.sampled_from(["ollama", "none", "", "a\nb"])
)
TREES = st.recursive(
    st.dictionaries(KEYS, SCALARS, max_size=4),
    lambda inner: st.dictionaries(KEYS, st.one_of(SCALARS, inner, st.lists(inner, max_size=2)), max_size=4),
    max_leaves=12,
)


@given(first=TREES, second=TREES, data=st.data())
def test_whatever_is_configured_loads_or_is_refused_with_lines(first: Any, second: Any, data: st.DataObject) -> None:
    """No input raises anything but ConfigError, every problem is one line, and no secret is in any."""
    environ = {"ARAWN_CONFIG_DIR": "/nonexistent", "ARAWN_LLM__API_KEY": SECRET}
    flags = {key: first[key] for key in SECTIONS if key in first} | {f"llm.{data.draw(st.sampled_from(NAMES))}": second}

    try:
        load(environ=environ, flags=flags, cwd=Path("/nonexistent"))
    except ConfigError as error:
        problems = error.problems

    assert problems
    assert all("\n" not in problem and "s5011" not in problem for problem in problems)
