from __future__ import annotations

import tomllib
from typing import Any

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import given

from arawn.config.keypath import dotted
from arawn.config.schema import Profile, ServerConfig
from arawn.config.structure import PROFILE_KEYS, check, kind_at


def problems(text: str) -> list[str]:
    _, findings = check(tomllib.loads(text))
    return [f"{dotted(finding.path)}: {finding.text}" for finding in findings]


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("[llm]\nmodle = 'x'", "llm.modle: unknown key; accepted in `[llm]`: `backend`, `model`"),
        ("[sever]\nx = 1", "sever: unknown key; accepted at the top: `llm`"),
        ("llm = 5", "llm: found the integer `5`; accepted: a table"),
        ("[llm]\nmodel = 5", "llm.model: found the integer `5`; accepted: a string"),
        ("[llm]\nmax_tokens = 'many'", 'llm.max_tokens: found the string `"many"`; accepted: an integer, at least 1'),
        ("[llm]\nmax_tokens = true", "llm.max_tokens: found the boolean `true`; accepted: an integer"),
        ("[llm]\nmax_tokens = 1.0", "llm.max_tokens: found the number `1.0`; accepted: an integer"),
        ("[llm]\nmax_tokens = 0", "llm.max_tokens: found the integer `0`; accepted: an integer, at least 1"),
        (
            "[llm]\ntemperature = 2.5",
            "llm.temperature: found the number `2.5`; accepted: a number, at least 0, at most 2",
        ),
        ("[llm]\ntop_p = 0", "llm.top_p: found the integer `0`; accepted: a number, above 0, at most 1"),
        ("[llm]\ntop_p = false", "llm.top_p: found the boolean `false`; accepted: a number"),
        ("[llm.timeouts]\nidle_s = inf", "llm.timeouts.idle_s: found the number `inf`; accepted: a number, above 0"),
        ("[llm.timeouts]\nidle_s = nan", "llm.timeouts.idle_s: found the number `nan`; accepted: a number, above 0"),
        ("[llm]\nstop = 'x'", 'llm.stop: found the string `"x"`; accepted: an array; each item a string'),
        ("[llm]\nstop = ['a', 1]", "llm.stop[1]: found the integer `1`; accepted: a string"),
        ("[llm]\nheaders = {a = 1}", "llm.headers.a: found the integer `1`; accepted: a string"),
        (
            "[llm.extra]\nwhen = 2024-01-01",
            "llm.extra.when: found the date or time `2024-01-01`; accepted: anything that",
        ),
        ("[llm.extra]\nx = [{y = nan}]", "llm.extra.x: found an array; accepted: anything that JSON can hold"),
        ("[llm_profiles]\nfast = 'x'", 'llm_profiles.fast: found the string `"x"`; accepted: a table'),
        ("[llm_profiles.'a b']\nx = 1", 'llm_profiles."a b".x: unknown key; accepted in `[llm_profiles."a b"]`'),
        ("[routing.profiles.f]\nx = 1", "routing.profiles.f.x: unknown key"),
        ("[server]\nauth = 'nobody'", 'server.auth: found the string `"nobody"`; accepted: `"none"` or `"token"`'),
        ("[server]\nauth = ['none']", "server.auth: found an array; accepted"),
        ("[[routing.rules]]\nname = 5", "routing.rules[0].name: found the integer `5`; accepted: a string"),
        ("[logging.interactions]\nretention_days = -1", "logging.interactions.retention_days: found the integer `-1`"),
        ("[logging.interactions]\noverflow = 'x'", 'logging.interactions.overflow: found the string `"x"`; accepted: '),
        (
            "[logging.interactions]\ncompact_after_days = true",
            "logging.interactions.compact_after_days: found the boolean",
        ),
        ("[workstreams.named.a]\nprofil = 'x'", "workstreams.named.a.profil: unknown key"),
    ],
)
def test_what_is_wrong_is_named_with_what_is_accepted(text: str, start: str) -> None:
    """Each mistake gives one line: key path, what was found, what would be right."""
    (line,) = problems(text)

    assert line.startswith(start)


@pytest.mark.parametrize(
    ("key", "meant"),
    [("modle", "model"), ("base_ulr", "base_url"), ("max_token", "max_tokens"), ("apikey", "api_key")],
)
def test_a_misspelt_key_gets_the_nearest_one_suggested(key: str, meant: str) -> None:
    """The suggestion stands at the end of the line."""
    assert problems(f"[llm]\n{key} = 'x'")[0].endswith(f"(did you mean `{meant}`?)")


@pytest.mark.parametrize("key", ["zzz", "api_base", "max_retries"])
def test_a_key_of_another_meaning_is_not_suggested(key: str) -> None:
    """A wrong advice is worse than none."""
    assert not problems(f"[llm]\n{key} = 'x'")[0].endswith("?)")


@pytest.mark.parametrize(
    ("header", "quoted"),
    [
        ("llm_profiles.gpt-4.1", '[llm_profiles."gpt-4.1"]'),
        ("routing.profiles.a.b", '[routing.profiles."a.b"]'),
        ("llm.gpt-4.1", '[llm."gpt-4.1"]'),
        ("tools.a.b", '[tools."a.b"]'),
        ("workstreams.named.a.b", '[workstreams.named."a.b"]'),
    ],
)
def test_a_dot_in_a_name_is_said_to_cut_it(header: str, quoted: str) -> None:
    """TOML reads the rest of the name as a table in the table; a misspelt table is suggested as ever."""
    assert problems(f"[{header}]\nbackend = 'x'")[0].endswith(f"(a name with a dot is quoted: `{quoted}`)")


def test_what_is_cut_by_no_dot_gets_no_such_hint() -> None:
    """Neither a misspelt table of a profile, nor a key, nor a table that has no name of the user's choice around it."""
    assert problems("[llm_profiles.a.timeout]\nidle_s = 1")[0].endswith("(did you mean `timeouts`?)")
    for text in ("[llm_profiles.a]\nzzz = 1", "[server.zzz]\nx = 1", "[zzz]\nx = 1", "[llm.retry.zzz]\nx = 1"):
        assert "dot" not in problems(text)[0]


def test_a_misspelt_table_of_llm_is_not_taken_for_a_profile() -> None:
    """`[llm.timeout]` is a mistake; `[llm.header]` with a backend is a profile."""
    assert problems("[llm.timeout]\nidle_s = 1")[0].endswith("(did you mean `timeouts`?)")
    assert problems("[llm.header]\nbackend = 'x'") == []


def test_a_scalar_below_llm_is_no_profile() -> None:
    """Only a table can be a profile of its own."""
    assert problems("[llm]\nfast = 'x'")[0].startswith("llm.fast: unknown key")


def test_every_mistake_is_found_at_once_and_the_rest_is_kept() -> None:
    """One pass finds all, in the order of the text, and returns what was right."""
    text = "[llm]\nbackend = 'x'\nmodel = 1\nzzz = 2\nstop = ['a', 3, 4]\n[server]\nlisten = 'a:1'\nauth = 0"

    tree, findings = check(tomllib.loads(text))

    assert [dotted(finding.path) for finding in findings] == [
        "llm.model",
        "llm.zzz",
        "llm.stop[1]",
        "llm.stop[2]",
        "server.auth",
    ]
    assert tree == {"llm": {"backend": "x"}, "server": {"listen": "a:1"}}


def test_an_integer_is_a_number_too() -> None:
    """`idle_s = 30` is as good as `30.0`."""
    assert problems("[llm]\ntemperature = 1\n[llm.timeouts]\nidle_s = 30") == []


@pytest.mark.parametrize("text", ["api_key = 5011", "headers = { x-api-key = 5011 }", "extra = { token = 5011-01-01 }"])
def test_a_wrong_secret_is_not_printed(text: str) -> None:
    """The message of a secret of the wrong type does not show it."""
    (line,) = problems(f"[llm]\n{text}")

    assert "5011" not in line


def test_a_long_wrong_value_is_cut() -> None:
    """A value of many characters does not fill the screen."""
    (line,) = problems(f"[llm]\nmax_tokens = '{'x' * 5000}'")

    assert len(line) < 200


def test_text_with_broken_bytes_is_refused_without_printing_them() -> None:
    """A variable that holds bytes which are no UTF-8 gives a line that can be printed."""
    _, (finding,) = check({"llm": {"model": "a\udcff"}})

    assert finding.text == "found a string with bytes that are not UTF-8; accepted: a string"


def test_the_type_of_a_key_is_known_in_all_spellings() -> None:
    """A key of a profile has one type, wherever the profile stands."""
    model = kind_at(("llm", "model"))

    assert model is not None
    assert kind_at(("llm", "fast", "model")) == model
    assert kind_at(("llm_profiles", "fast", "model")) == model
    assert kind_at(("routing", "profiles", "fast", "model")) == model
    assert kind_at(("llm", "model", "x")) is None
    assert kind_at(("nothing",)) is None


VALUES = st.one_of(
    st.none().map(lambda _: {}),
    st.booleans(),
    st.integers(-3, 100_001),
    st.floats(allow_nan=False),
    st.sampled_from(["", "token", "none", "openai", "x"]),
    st.lists(st.sampled_from(["a", 1]), max_size=2),
    st.dictionaries(st.sampled_from(["a", "attempts", "idle_s"]), st.sampled_from(["a", 1]), max_size=2),
)


@given(
    profile=st.dictionaries(st.sampled_from([*sorted(PROFILE_KEYS), "nope"]), VALUES, max_size=6),
    server=st.dictionaries(st.sampled_from([*ServerConfig.__struct_fields__, "nope"]), VALUES, max_size=4),
)
def test_what_passes_the_check_always_fits_the_schema(profile: dict[str, Any], server: dict[str, Any]) -> None:
    """For any input, what is left after the check converts, and nothing that converts was taken away."""
    tree, findings = check({"llm_profiles": {"p": profile}, "server": server})

    msgspec.convert({"backend": "", **tree["llm_profiles"]["p"]}, Profile)
    msgspec.convert(tree["server"], ServerConfig)
    tables = {finding.path[0] for finding in findings}
    assert ("server" in tables) == (not converts(server, ServerConfig))
    assert ("llm_profiles" in tables) == (not converts({"backend": "", **profile}, Profile))


def converts(table: dict[str, Any], kind: type[msgspec.Struct]) -> bool:
    try:
        msgspec.convert(table, kind)
    except msgspec.ValidationError:
        return False
    return True
