"""Arawn: workstreams on named LLM backends, and every call in the interaction log."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from actors.errors import ActorError as ActorError
    from actors.errors import AskCycle as AskCycle
    from actors.errors import NotStarted as NotStarted
    from actors.errors import OutcomeUnknown as OutcomeUnknown
    from actors.errors import Stopped as Stopped
    from arawn.agent.events import TurnReply as TurnReply
    from arawn.agent.mcp_server import ToolServerFailed as ToolServerFailed
    from arawn.config.schema import Config as Config
    from arawn.config.schema import Profile as Profile
    from arawn.errors import ArawnError as ArawnError
    from arawn.errors import AuthFailed as AuthFailed
    from arawn.errors import BackendError as BackendError
    from arawn.errors import BadInput as BadInput
    from arawn.errors import BadReply as BadReply
    from arawn.errors import BadRequest as BadRequest
    from arawn.errors import ConfigError as ConfigError
    from arawn.errors import ConnectionFailed as ConnectionFailed
    from arawn.errors import ContextTooLong as ContextTooLong
    from arawn.errors import LogWriteFailed as LogWriteFailed
    from arawn.errors import ModelNotFound as ModelNotFound
    from arawn.errors import Overloaded as Overloaded
    from arawn.errors import RateLimited as RateLimited
    from arawn.errors import StoreFailed as StoreFailed
    from arawn.errors import TimedOut as TimedOut
    from arawn.errors import Unavailable as Unavailable
    from arawn.errors import UnknownProfile as UnknownProfile
    from arawn.interactions.feedback import Judgement as Judgement
    from arawn.messages import Completed as Completed
    from arawn.messages import CompletionRequest as CompletionRequest
    from arawn.messages import CompletionResponse as CompletionResponse
    from arawn.messages import ContentBlock as ContentBlock
    from arawn.messages import Image as Image
    from arawn.messages import Message as Message
    from arawn.messages import StreamEvent as StreamEvent
    from arawn.messages import Text as Text
    from arawn.messages import TextDelta as TextDelta
    from arawn.messages import Thinking as Thinking
    from arawn.messages import ThinkingDelta as ThinkingDelta
    from arawn.messages import ToolDefinition as ToolDefinition
    from arawn.messages import ToolResult as ToolResult
    from arawn.messages import ToolUse as ToolUse
    from arawn.messages import ToolUseDelta as ToolUseDelta
    from arawn.messages import ToolUseStart as ToolUseStart
    from arawn.messages import Usage as Usage
    from arawn.messages import user as user
    from arawn.routing.decision import PolicyFailed as PolicyFailed
    from arawn.runtime import open_runtime as open_runtime
    from arawn.runtime_door import Runtime as Runtime
    from arawn.trio_run import WrongLoop as WrongLoop
    from arawn.workstreams.handle import Workstream as Workstream

_HOME = {
    "actors.errors": (
        "ActorError",
        "AskCycle",
        "NotStarted",
        "OutcomeUnknown",
        "Stopped",
    ),
    "arawn.agent.events": ("TurnReply",),
    "arawn.agent.mcp_server": ("ToolServerFailed",),
    "arawn.config.schema": (
        "Config",
        "Profile",
    ),
    "arawn.errors": (
        "ArawnError",
        "AuthFailed",
        "BackendError",
        "BadInput",
        "BadReply",
        "BadRequest",
        "ConfigError",
        "ConnectionFailed",
        "ContextTooLong",
        "LogWriteFailed",
        "ModelNotFound",
        "Overloaded",
        "RateLimited",
        "StoreFailed",
        "TimedOut",
        "Unavailable",
        "UnknownProfile",
    ),
    "arawn.interactions.feedback": ("Judgement",),
    "arawn.messages": (
        "Completed",
        "CompletionRequest",
        "CompletionResponse",
        "ContentBlock",
        "Image",
        "Message",
        "StreamEvent",
        "Text",
        "TextDelta",
        "Thinking",
        "ThinkingDelta",
        "ToolDefinition",
        "ToolResult",
        "ToolUse",
        "ToolUseDelta",
        "ToolUseStart",
        "Usage",
        "user",
    ),
    "arawn.routing.decision": ("PolicyFailed",),
    "arawn.runtime": ("open_runtime",),
    "arawn.runtime_door": ("Runtime",),
    "arawn.trio_run": ("WrongLoop",),
    "arawn.workstreams.handle": ("Workstream",),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}
__all__ = [*_MODULE_OF]  # noqa: PLE0604  # names, made from the table above


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: `arawn --help` then loads next to nothing."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module `arawn` has no attribute `{name}`")
    from importlib import import_module

    return getattr(import_module(_MODULE_OF[name]), name)


def __dir__() -> list[str]:
    """List the public names, for completion at a prompt; none of them is imported by that."""
    return __all__
