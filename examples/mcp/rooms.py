"""A server of the Model Context Protocol over stdio, with one tool."""

from mcp.server import MCPServer
from mcp.types import ToolAnnotations

server = MCPServer("rooms")


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def temperature(room: str) -> float:
    """Return the temperature of a room in degrees."""
    return {"kitchen": 19.5, "study": 22.0}[room]


server.run("stdio")
