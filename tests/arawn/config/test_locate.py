from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from typing import Any

import hypothesis.strategies as st
from hypothesis import given

from arawn.config.keypath import KeyPath
from arawn.config.layers import Layer, holds
from arawn.config.locate import key_lines

DECOY = "[not.a.table]\nnot_a_key = 1\n# not a comment "


def test_tables_dotted_and_quoted_keys_are_found_on_their_lines() -> None:
    """Every way to write a key path leads to the line of the key."""
    text = (
        '# first\n[llm]\nmodel = "m"\ntimeouts.idle_s = 1\n"a.b" = 2\n\'c d\' . e = 3\n\n[ llm . fast ]\nmodel = "n"\n'
    )

    lines = key_lines(text)

    assert lines == {
        ("llm",): 2,
        ("llm", "model"): 3,
        ("llm", "timeouts"): 4,
        ("llm", "timeouts", "idle_s"): 4,
        ("llm", "a.b"): 5,
        ("llm", "c d"): 6,
        ("llm", "c d", "e"): 6,
        ("llm", "fast"): 8,
        ("llm", "fast", "model"): 9,
    }


def test_items_of_an_array_of_tables_are_told_apart() -> None:
    """Each `[[…]]` is one more item, and tables under it belong to the last one."""
    text = (
        '[[r.rules]]\nname = "a"\n[r.rules.condition]\nx = 1\n'
        '[[r.rules]]\nname = "b"\n[[r.rules.deep]]\n[[r.rules.deep]]\ny = 2'
    )

    lines = key_lines(text)

    assert lines["r", "rules", 0, "name"] == 2
    assert lines["r", "rules", 0, "condition", "x"] == 4
    assert lines["r", "rules", 1] == 5
    assert lines["r", "rules", 1, "name"] == 6
    assert lines["r", "rules", 1, "deep", 1, "y"] == 9


def test_multi_line_values_hide_no_key_and_add_none() -> None:
    """Brackets, quotes, comments and table-like text inside values do not confuse the lines."""
    text = (
        'a = """\n[x]\ny = 1 # "\n"""""\n'
        "b = '''\n[[z]]\n''''\n"
        'c = [ # ]\n  "]",\n  { d = "}" },\n]\n'
        "e = { f = [1, 2], g = '#' } # tail\n"
        'h = "\\"[" # "\n'
        "i = 1"
    )

    lines = key_lines(text)

    assert lines == {("a",): 1, ("b",): 5, ("c",): 8, ("e",): 12, ("h",): 13, ("i",): 14}
    assert tomllib.loads(text).keys() == {"a", "b", "c", "e", "h", "i"}


def test_quotes_before_the_closing_three_belong_to_the_string() -> None:
    """A string that ends in a quote of its own does not open another one."""
    text = 'a = ["""x"""", "]"]\n' + "b = ['''x'''', ']']\nc = 1"

    assert tomllib.loads(text)["b"] == ["x'", "]"]
    assert key_lines(text) == {("a",): 1, ("b",): 2, ("c",): 3}


def test_a_key_inside_a_value_is_on_the_line_of_the_key_that_holds_it() -> None:
    """Inline tables and arrays answer with the line of their own key."""
    lines = key_lines("\n[llm]\nretry = { attempts = 0 }\nstop = [\n1]\n")

    layer = Layer("file", {}, {path: f"file:{line}" for path, line in lines.items()})
    assert layer.origin(("llm", "retry", "attempts")) == "file:3"
    assert layer.origin(("llm", "stop", 0)) == "file:4"
    assert layer.origin(("nowhere",)) == "file"


NAMES = st.one_of(st.sampled_from(["a", "b-1", "c_2", "3"]), st.text(max_size=4).filter(str.isprintable))
SCALARS = st.one_of(st.integers(), st.booleans(), st.just(DECOY), st.text(max_size=8).filter(str.isprintable))
VALUES = st.one_of(SCALARS, st.lists(SCALARS, max_size=3), st.dictionaries(NAMES, SCALARS, max_size=2))
TABLES = st.recursive(
    st.fixed_dictionaries({"values": st.dictionaries(NAMES, VALUES, max_size=3)}),
    lambda inner: st.fixed_dictionaries(
        {
            "values": st.dictionaries(NAMES, VALUES, max_size=2),
            "tables": st.dictionaries(NAMES, inner, max_size=2),
            "arrays": st.dictionaries(NAMES, st.lists(inner, min_size=1, max_size=3), max_size=2),
        }
    ),
    max_leaves=8,
)


class Writer:
    """Writes drawn tables as TOML in a drawn style, and notes the line of every key on the way."""

    def __init__(self, data: st.DataObject) -> None:
        self.data = data
        self.lines: list[str] = []
        self.expected: dict[KeyPath, int] = {}

    def style(self, *choices: str) -> str:
        return self.data.draw(st.sampled_from(choices))

    def statement(self, text: str) -> int:
        noise = self.style("", "\n", "# [decoy]\n", "  \t\n# x = 1 '''\n")
        first = sum(line.count("\n") for line in self.lines) + noise.count("\n") + 1
        self.lines.append(noise + self.style("", "  ") + text + self.style("\n", " # tail ]\n", "\t\n"))
        return first

    def key(self, name: str) -> str:
        bare = name.isascii() and bool(name) and all(c.isalnum() or c in "-_" for c in name)
        styles = (
            [json.dumps(name, ensure_ascii=False)]
            + ([name] if bare else [])
            + ([f"'{name}'"] if "'" not in name else [])
        )
        return self.style(*styles)

    def value(self, value: object) -> str:
        if isinstance(value, list):
            separator = self.style(", ", ",\n", ", # ]\n")
            return "[" + self.style("", "\n", "#'\n") + separator.join(self.value(item) for item in value) + "]"
        if isinstance(value, dict):
            return "{" + ", ".join(f"{self.key(name)} = {self.value(item)}" for name, item in value.items()) + "}"
        if isinstance(value, str) and self.style("one line", "many lines") == "many lines":
            return (
                "'''\n" + value + "'''"
                if "'" not in value
                else '"""' + json.dumps(value, ensure_ascii=False)[1:-1] + '"""'
            )
        return json.dumps(value, ensure_ascii=False)

    def table(self, table: Mapping[str, Any], header: list[str], path: KeyPath) -> None:
        taken = set()
        for name, value in table["values"].items():
            taken.add(name)
            self.expected[*path, name] = self.statement(f"{self.key(name)} = {self.value(value)}")
        for name, inner in table.get("tables", {}).items():
            if name not in taken:
                taken.add(name)
                self.sub_table(inner, [*header, name], (*path, name), "[]")
        for name, items in table.get("arrays", {}).items():
            if name not in taken:
                for position, item in enumerate(items):
                    self.sub_table(item, [*header, name], (*path, name, position), "[[]]")

    def sub_table(self, table: Mapping[str, Any], header: list[str], path: KeyPath, brackets: str) -> None:
        half = len(brackets) // 2
        dotted = self.style(".", " . ").join(self.key(name) for name in header)
        self.expected[path] = self.statement(brackets[:half] + dotted + brackets[half:])
        self.table(table, header, path)


@given(table=TABLES, data=st.data())
def test_whatever_the_style_every_key_is_found_on_its_line(table: Mapping[str, Any], data: st.DataObject) -> None:
    """For any document, the lines are those on which the keys were written, and nothing else is taken for a key."""
    writer = Writer(data)
    writer.table(table, [], ())
    text = "".join(writer.lines)
    tree = tomllib.loads(text)

    lines = key_lines(text)

    assert {path: lines.get(path) for path in writer.expected} == writer.expected
    assert [path for path in lines if not holds(tree, path)] == []
