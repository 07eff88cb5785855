"""The tools of a responses request as functions with one name each: those in a namespace stand one level down. Pure.

Tools that take free text, and the search for tools that the client does, are functions here too.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Sequence
from hashlib import sha256
from itertools import chain, count
from typing import Any, Literal

import msgspec

from arawn.messages import ToolDefinition
from arawn.server.v1.body import odd
from arawn.server.v1.responses_custom import as_function
from arawn.server.v1.responses_search import guide, is_search, search_function

__all__ = ["Function", "Kind", "Tools", "heard_tools", "read_tools"]

_LONGEST = 64  # characters of a name, in every dialect
_SAYABLE = re.compile(rf"[a-zA-Z0-9_-]{{1,{_LONGEST}}}")
_FOREIGN = re.compile(r"[^a-zA-Z0-9_-]")
_DIGITS = 8  # of the digest that tells shortened names apart
_HOLDERS = ("additional_tools", "tool_search_output")  # items of the input that hold tools

_Place = tuple[str | None, str]  # a namespace, and a name in it
Kind = Literal["function", "custom", "tool_search"]
"""What a tool is, and a call of it."""


class Function(msgspec.Struct, frozen=True):
    """One function. `said` is what the model calls it: its own name, or that of its namespace and its own.

    One of kind `custom` takes free text.
    """

    said: str
    tool: dict[str, Any]
    namespace: str | None = None
    kind: Kind = "function"

    @property
    def name(self) -> str:
        """What its namespace calls it."""
        name: str = self.tool["name"]
        return name

    @property
    def definition(self) -> ToolDefinition:
        """What the neutral form has of it."""
        description, parameters = self.tool.get("description") or "", self.tool.get("parameters") or {}
        return ToolDefinition(self.said, description, parameters, self.tool.get("strict") is True)


class Tools(msgspec.Struct, frozen=True):
    """The functions that are offered, the kinds of the other tools, which cannot be, and the namespaces.

    `late` are the functions that are offered once a search has found them.
    """

    functions: tuple[Function, ...] = ()
    kinds: frozenset[str] = frozenset()
    namespaces: tuple[dict[str, Any], ...] = ()
    late: tuple[Function, ...] = ()

    @property
    def search(self) -> Function | None:
        """The search for more tools; None if none is offered."""
        return next((each for each in self.functions if each.kind == "tool_search"), None)

    @property
    def guides(self) -> tuple[str, ...]:
        """What the namespaces of the functions are for, each once, and what can be searched for."""
        said = [what for namespace in self.namespaces for what in _guide(namespace, self.functions)]
        if self.search and self.late:
            holding = {each.namespace for each in self.late}
            namespaces = [each for each in self.namespaces if each["name"] in holding]
            said.append(guide(self.search.said, namespaces, [each.tool for each in self.late if not each.namespace]))
        return tuple(dict.fromkeys(said))

    def said_as(self, name: str, namespace: object) -> str:
        """Return what the model calls a function; some clients leave its namespace, a text, out."""
        known = (*self.functions, *self.late)
        if isinstance(namespace, str):
            own = [each.said for each in known if (each.namespace, each.name) == (namespace, name)]
            return own[0] if own else _free_name(namespace, name, ())
        if any(each.said == name for each in known):
            return name
        meant = [each.said for each in known if each.name == name]
        return meant[0] if len(meant) == 1 else name

    def loaded(self, names: Container[str]) -> Tools:
        """Return them with what the model calls so offered, as if a search had found it."""
        found = tuple(each for each in self.late if each.said in names)
        late = tuple(each for each in self.late if each.said not in names)
        return msgspec.structs.replace(self, functions=(*self.functions, *found), late=late)

    def named(self, said: str) -> Function | None:
        """Return the function that the model calls so; None if there is none."""
        return next((each for each in (*self.functions, *self.late) if each.said == said), None)

    def called(self, said: str) -> dict[str, str]:
        """Return the fields of a call that say which function it is of."""
        function = self.named(said)
        if function is None or function.namespace is None:
            return {"name": said}
        return {"name": function.name, "namespace": function.namespace}

    def kind_of(self, said: str) -> Kind:
        """Return what a call of it is."""
        function = self.named(said)
        return "function" if function is None else function.kind

    def found(self, item: dict[str, Any]) -> list[str]:
        """Return what the model calls the functions in `item`, which is one of those that they were read from."""
        said = {(each.namespace, each.name): each.said for each in (*self.functions, *self.late)}
        flat = _flat(list(_listed((), [item])))
        return [said[namespace, tool["name"]] for _, namespace, tool in flat if _is_function(tool)]


def read_tools(tools: Sequence[dict[str, Any]], items: str | Sequence[dict[str, Any]] = ()) -> Tools:
    """Return what the tools of a request are, those among its input too.

    A name too long for a provider, with letters that it does not take, or taken by another function is cut and ends
    with a digest: the same in every request with these tools. Functions outside of namespaces keep theirs. Of two in
    one place with one name the later is meant, as where tools are said again. With a search that the client does,
    those to be loaded by it (`defer_loading`) are not offered before it has found them.

    Args:
        tools: The tools of the request.
        items: Its input; in items of type `additional_tools` and `tool_search_output` are more.

    Raises:
        Refused: A tool has no type; a function or a namespace has no name; a namespace holds no tools (400).
    """
    listed = list(_listed(tools, items))
    taken = {tool["name"] for _, tool in listed if _is_function(tool) and isinstance(tool.get("name"), str)}
    functions: dict[_Place, Function] = {}
    kinds: set[str] = set()
    for at, namespace, tool in _flat(listed):
        match tool:
            case {"type": "function" | "custom" as kind, "name": str(name)}:
                earlier = functions.get((namespace, name))
                said = name if namespace is None else earlier.said if earlier else _free_name(namespace, name, taken)
                taken.add(said)
                offered = as_function(tool) if kind == "custom" else tool
                functions[namespace, name] = Function(said, offered, namespace, kind)
            case {"type": "namespace", "name": str()} if namespace is None:
                pass
            case {"type": "tool_search"} if is_search(tool):
                pass
            case {"type": str(kind)} if kind not in {"function", "custom", "namespace"}:
                kinds.add(kind)
            case _:
                raise odd(f"`{at}` must have a text `type`, and a function, a custom tool or a namespace a text `name`")
    namespaces = tuple(tool for _, tool in listed if tool["type"] == "namespace")
    searches = [tool for _, _, tool in _flat(listed) if is_search(tool)]
    name = _free_name(None, "tool_search", taken)
    first = [Function(name, search_function(tool), kind="tool_search") for tool in searches[-1:]]
    late = _late(listed, items) if searches else frozenset()
    now = [function for place, function in functions.items() if place not in late]
    later = tuple(function for place, function in functions.items() if place in late)
    return Tools((*first, *now), frozenset(kinds), namespaces, later)


def heard_tools(tools: Sequence[dict[str, Any]], *, strict: bool) -> list[dict[str, Any]]:
    """Return the tools as an answer repeats them: those that were offered, and none called strict without `strict`."""
    heard: list[dict[str, Any]] = []
    for tool in tools:
        if tool["type"] == "custom" or is_search(tool):
            heard.append(tool)
        if tool["type"] == "function":
            heard.append(tool if strict else {**tool, "strict": False})
        if tool["type"] == "namespace" and (inner := heard_tools(tool["tools"], strict=strict)):
            heard.append({**tool, "tools": inner})
    return heard


def _is_function(tool: Any) -> bool:
    return isinstance(tool, dict) and tool.get("type") in ("function", "custom")  # no set: it may be of any type


def _late(listed: Sequence[tuple[str, dict[str, Any]]], items: str | Sequence[Any]) -> frozenset[_Place]:
    """Return the namespaces and names of the functions to be searched for which no search of `items` has found."""
    outputs = [item for item in items if isinstance(item, dict) and item.get("type") == "tool_search_output"]
    found = {(at, tool["name"]) for _, at, tool in _flat(list(_listed((), outputs))) if _is_function(tool)}
    late = {(at, tool["name"]) for _, at, tool in _flat(listed) if _is_function(tool) and tool.get("defer_loading")}
    return frozenset(late - found)


def _listed(
    tools: Sequence[dict[str, Any]], items: str | Sequence[dict[str, Any]]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every tool that stands in no namespace, with its place in the request."""
    yield from ((f"$.tools[{at}]", tool) for at, tool in enumerate(tools))
    for position, item in enumerate(items):
        if not isinstance(item, dict) or item.get("type") not in _HOLDERS:
            continue
        place = f"$.input[{position}].tools"
        more = item.get("tools")
        if not isinstance(more, list) or not all(isinstance(tool, dict) for tool in more):
            raise odd(f"`{place}` must be an array of tools")
        yield from ((f"{place}[{at}]", tool) for at, tool in enumerate(more))


def _flat(listed: Sequence[tuple[str, dict[str, Any]]]) -> Iterator[tuple[str, str | None, Any]]:
    """Yield every tool with its place in the request and its namespace, what a namespace holds right after it."""
    for place, tool in listed:
        yield place, None, tool
        if tool.get("type") != "namespace":
            continue
        if not isinstance(tool.get("tools"), list):
            raise odd(f"`{place}.tools` must be an array: the tools of the namespace")
        yield from ((f"{place}.tools[{at}]", tool["name"], inner) for at, inner in enumerate(tool["tools"]))


def _guide(namespace: dict[str, Any], functions: Sequence[Function]) -> list[str]:
    """Return what a namespace is for, by the names that its functions go by; nothing if none of them is offered."""
    name, description = namespace["name"], namespace.get("description")
    names = [function.said for function in functions if function.namespace == name]
    if not names or not isinstance(description, str) or not description.strip():
        return []
    as_is = all(each.startswith(f"{name}__") for each in names)
    which = f"Tools whose names begin with `{name}__`" if as_is else ", ".join(f"`{each}`" for each in names)
    return [f"{which}: {description.strip()}"]


def _free_name(namespace: str | None, name: str, taken: Container[str]) -> str:
    whole = name if namespace is None else f"{namespace}__{name}"
    short = (_shortened(whole, number) for number in count())
    names = chain([whole] if _SAYABLE.fullmatch(whole) else [], short)
    return next(each for each in names if each not in taken)


def _shortened(whole: str, number: int) -> str:
    digest = sha256(f"{whole}\0{number}".encode("utf-8", "replace")).hexdigest()[:_DIGITS]
    return f"{_FOREIGN.sub('_', whole)[: _LONGEST - _DIGITS - 1]}_{digest}"
