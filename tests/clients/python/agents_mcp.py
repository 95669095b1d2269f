"""openai-agents with MCP servers: hosted by the API, with an approval, and run by the client. Run by its own Python.

It prints, as JSON, what came out; `MCP_URL` says where the MCP server is.
"""

import asyncio
import json
import os

from agents import Agent, HostedMCPTool, Runner, function_tool, set_tracing_disabled
from agents.mcp import MCPServerStreamableHttp

set_tracing_disabled(True)
URL = os.environ["MCP_URL"]
asked = []


def hosted(require_approval, **options):
    server = {"type": "mcp", "server_label": "calc", "server_url": URL, "require_approval": require_approval}
    return HostedMCPTool(tool_config=server, **options)


def approve(request):
    asked.append([request.data.name, json.loads(request.data.arguments)])
    return {"approve": True}


@function_tool
def get_weather(city: str) -> str:
    """The weather of a city."""
    return f"sunny in {city}"


async def main() -> dict[str, object]:
    agent = Agent(name="a", model="fake", tools=[hosted("never"), get_weather])
    done = await Runner.run(agent, "1 + 2?")

    streamed = Runner.run_streamed(agent, "1 + 2?")
    names = {event.name async for event in streamed.stream_events() if event.type == "run_item_stream_event"}

    careful = Agent(name="b", model="fake", tools=[hosted("always", on_approval_request=approve)])
    approved = await Runner.run(careful, "1 + 2?")

    async with MCPServerStreamableHttp(params={"url": URL}) as server:
        own = await Runner.run(Agent(name="c", model="fake", mcp_servers=[server]), "1 + 2 here?")
    return {
        "hosted": [done.final_output, [type(item).__name__ for item in done.new_items]],
        "streamed": [streamed.final_output, sorted(names)],
        "approved": [approved.final_output, asked],
        "own": own.final_output,
    }


print(json.dumps(asyncio.run(main()), ensure_ascii=False))
