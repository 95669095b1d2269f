"""What the tools of MCP servers take of a prompt, for those who measure it before it is answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from owngpt.service.responses.mcp.toolbox import Toolbox

if TYPE_CHECKING:
    from owngpt.service.app import App
    from owngpt.service.responses.turn import Context, Turn


async def with_tools(app: App, turn: Turn, context: Context) -> Turn:
    """The turn with the tools of all its servers. Those whose tools the conversation has not listed are asked, and
    will be asked again by the answer, which tells of it.

    Raises `ConnectorFailed` where a server gives no list, and as `Toolbox.open` does.
    """
    if not turn.mcp.servers:
        return turn
    box = Toolbox(app, turn, context)
    try:
        whole = await box.open()
    finally:
        await box.close()
    if box.failure is not None:
        raise box.failure
    return whole
