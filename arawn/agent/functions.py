"""Python functions as tools: parameters from their type hints, the description from their docstring."""

from __future__ import annotations

import inspect
import math
import typing
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, TypeVar, overload

import msgspec

from actors.errors import shown
from arawn.agent.tool import BadArguments, Tool, ToolAnswer, ToolRaised, as_answer, require_tool_name
from arawn.errors import BadInput
from arawn.messages import ToolDefinition
from arawn.threads import RunInThread

__all__ = ["AnyTool", "function_tool", "tool", "tools_by_name"]

AnyTool = Tool | Callable[..., Any]
F = TypeVar("F", bound=Callable[..., Any])

_MARKS = "__arawn_tool__"
_REF = "#/$defs/"
_PLAIN = (str, int, float, bool, type(None))
_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class _Marks(msgspec.Struct, frozen=True):
    """What `tool` says of a function."""

    name: str | None = None
    read_only: bool = False
    deadline: float | None = None


@overload
def tool(function: F, /, *, name: str | None = None, read_only: bool = False, deadline_s: float | None = None) -> F: ...


@overload
def tool(*, name: str | None = None, read_only: bool = False, deadline_s: float | None = None) -> Callable[[F], F]: ...


def tool(
    function: F | None = None, /, *, name: str | None = None, read_only: bool = False, deadline_s: float | None = None
) -> F | Callable[[F], F]:
    """Say more of a function that is given as a tool; the function itself stays as it is.

    `@tool` alone says nothing more, and marks it for readers; `@tool(…)` and `tool(function, …)` say what is given.

    Args:
        function: What it is said of; None returns a decorator.
        name: What the model calls it; None takes the function's own name.
        read_only: It changes nothing: it may run beside other such tools.
        deadline_s: Seconds that one run may take, > 0; None takes `agent.tool_deadline_s`.

    Raises:
        BadInput: The name or the deadline cannot be used, or what it is said of is no function.
    """
    if deadline_s is not None and not (isinstance(deadline_s, int | float) and deadline_s > 0):  # refuses NaN too
        raise BadInput(f"a tool has a deadline above 0 s, found {deadline_s!r}")
    marks = _Marks(None if name is None else require_tool_name(name), read_only, deadline_s)

    def marked(function: F) -> F:
        try:
            setattr(function, _MARKS, marks)
        except AttributeError as error:
            kind = type(function).__name__
            raise BadInput(f"`tool` is for a function of your own, found {kind}; write one that calls it") from error
        return function

    return marked if function is None else marked(function)


def function_tool(function: Callable[..., object]) -> Tool:
    """Return a function as a tool.

    Raises:
        BadInput: It is no function, or its name, a parameter or a type hint is none that a model can be told of.
    """
    _require_function(function)
    marks: _Marks = getattr(function, _MARKS, _Marks())
    name = marks.name or _own_name(function)
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise BadInput(f"tool `{name}` yields; a tool returns its answer, such as a list")
    parameters = _parameters(name, function)
    definition = ToolDefinition(name, inspect.getdoc(function) or "", _schema(parameters))
    _require_json(definition)
    return Tool(
        definition=definition,
        run=partial(_run, function, parameters),
        read_only=marks.read_only,
        deadline=marks.deadline,
    )


def _require_function(function: object) -> None:
    kind = type(function).__name__
    if isinstance(function, str):
        how = f"tools of the configuration are found with `await runtime.tools({function!r})`"
        raise BadInput(f"a tool is a function or a `Tool`, found the text `{function}`; {how}")
    if not callable(function):
        raise BadInput(f"a tool is a function or a `Tool`, found {kind}")
    if isinstance(function, type):
        raise BadInput(f"a tool is a function, found the class `{function.__name__}`; write one that makes it")
    if not hasattr(function, "__name__"):  # `functools.partial`, or an object with `__call__`
        raise BadInput(f"a tool is a function, found {kind}; write one with `def` that calls it")


def _own_name(function: Callable[..., object]) -> str:
    try:
        return require_tool_name(function.__name__)
    except BadInput as error:
        raise BadInput(f"{error}; give it one with `@arawn.agent.tool(name=…)`") from error


def _require_json(definition: ToolDefinition) -> None:
    try:
        msgspec.json.encode(definition)
    except ValueError as error:
        said = f"JSON cannot hold its description, a default or a name: {error}"
        raise BadInput(f"tool `{definition.name}`: {said}") from error


def tools_by_name(tools: Iterable[AnyTool]) -> dict[str, Tool]:
    """Return the tools by name, functions as the tools that they are.

    Raises:
        BadInput: They are no list, one cannot be described to a model, or two have one name.
    """
    if isinstance(tools, str):
        _require_function(tools)
    if not isinstance(tools, Iterable):
        raise BadInput(f"tools are given as a list, found {type(tools).__name__}; for a single one write `tools=[it]`")
    found: dict[str, Tool] = {}
    for given in tools:
        tool = given if isinstance(given, Tool) else function_tool(given)
        if tool.name in found:
            raise BadInput(f"two tools are called `{tool.name}`; give each a name of its own, or leave one out")
        found[tool.name] = tool
    return found


async def _run(
    function: Callable[..., Any],
    parameters: type[msgspec.Struct],
    arguments: dict[str, Any],
    run_in_thread: RunInThread,
) -> ToolAnswer:
    """Call the function: an async one here, any other in a thread.

    Raises:
        BadArguments: The arguments do not fit; the function was not called.
        ToolRaised: It raised something like `SystemExit` in a thread.
        BaseException: Whatever else it raised.

    Checkpoint: if the function has one; always in a thread.
    If cancelled: an async function is cancelled; one in a thread is left behind.
    """
    try:
        values = msgspec.convert(arguments, parameters, str_keys=True)
    except msgspec.ValidationError as error:
        raise BadArguments(str(error)) from error
    call = partial(function, **{name: getattr(values, name) for name in parameters.__struct_fields__})
    value = await (call() if inspect.iscoroutinefunction(function) else run_in_thread(partial(_contained, call)))
    return as_answer(await value if inspect.isawaitable(value) else value)  # a decorator may hide an async function


def _contained(call: Callable[[], Any]) -> Any:
    """Call a function in a thread, which neither Ctrl-C nor a cancellation ever reaches: all it raises is its own."""
    try:
        return call()
    except Exception:
        raise
    except BaseException as error:
        raise ToolRaised(shown(error)) from error  # noqa: ASYNC104  # no cancellation reaches a thread


def _parameters(name: str, function: Callable[..., object]) -> type[msgspec.Struct]:
    """Return a struct with a field for each parameter: its schema is the tool's, its decoder checks the arguments."""
    try:
        hints = typing.get_type_hints(function, include_extras=True)
        signature = inspect.signature(function)
    except (NameError, TypeError, ValueError) as error:
        raise BadInput(f"tool `{name}`: its type hints cannot be read: {error}") from error
    fields: list[Any] = []
    for parameter in signature.parameters.values():
        where = f"tool `{name}`, parameter `{parameter.name}`"
        if parameter.kind not in _NAMED:
            raise BadInput(f"{where}: a model gives arguments by name; write it without `*` and before no `/`")
        if parameter.name not in hints:
            raise BadInput(f"{where}: has no type hint; give it one, such as `{parameter.name}: str`")
        hint = hints[parameter.name]
        if parameter.default is None:
            hint = hint | None  # many write `limit: int = None`
        _require_schema(hint, where)
        fields.append((parameter.name, hint, *_default(parameter, hint)))
    try:
        return msgspec.defstruct(name, fields, kw_only=True, forbid_unknown_fields=True)
    except (TypeError, ValueError, RuntimeError) as error:
        raise BadInput(f"tool `{name}`: its parameters cannot be described: {error}") from error


def _default(parameter: inspect.Parameter, hint: Any) -> tuple[Any, ...]:
    """Return what makes a parameter optional, if it is; the schema shows plain defaults that fit the hint only."""
    default = parameter.default
    if default is inspect.Parameter.empty:
        return ()
    if type(default) in _PLAIN and not (isinstance(default, float) and not math.isfinite(default)):
        try:
            msgspec.convert(default, hint)
        except msgspec.ValidationError:
            pass  # the function takes more than its hint says; a model need not know
        else:
            return (default,)
    return (msgspec.field(default_factory=lambda: default),)


def _require_schema(hint: object, where: str) -> None:
    try:
        msgspec.json.schema(hint, schema_hook=_refuse)
    except (TypeError, ValueError) as error:
        said = " ".join(str(error).split())
        accepted = "accepted: what JSON can say, such as `str`, `list[int]`, a dataclass or a `msgspec.Struct`"
        raise BadInput(f"{where}: its type hint has no JSON Schema: {said}; {accepted}") from error


def _refuse(kind: type) -> dict[str, Any]:
    """Refuse a type that msgspec does not know."""
    raise TypeError(f"nothing says how `{kind.__qualname__}` is written in JSON")


def _schema(parameters: type[msgspec.Struct]) -> dict[str, Any]:
    """Return the JSON Schema of an object, written out at the root, where providers look for it."""
    (root,), components = msgspec.json.schema_components([parameters], ref_template=f"{_REF}{{name}}")
    schema = components.pop(root["$ref"].removeprefix(_REF))  # longer than the tool's name if a type has that too
    schema.pop("title", None)
    return {**schema, "$defs": components} if components else schema
