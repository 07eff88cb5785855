"""The agent turn: complete, run the tools that the model asked for, complete again."""

from arawn.agent.events import ToolEnded as ToolEnded
from arawn.agent.events import ToolStarted as ToolStarted
from arawn.agent.events import TurnEvent as TurnEvent
from arawn.agent.events import TurnReply as TurnReply
from arawn.agent.functions import tool as tool
from arawn.agent.tool import Tool as Tool
from arawn.agent.tool import ToolAnswer as ToolAnswer
