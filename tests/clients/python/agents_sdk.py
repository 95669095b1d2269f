"""openai-agents against a server: a tool, a handoff, a stream, structured output, conversations. Run by its own Python.

It prints, as JSON, what came out; `OPENAI_BASE_URL` and `OPENAI_API_KEY` say where the server is.
"""

import asyncio
import json

from agents import (
    Agent,
    ModelSettings,
    OpenAIConversationsSession,
    Runner,
    SQLiteSession,
    function_tool,
    set_tracing_disabled,
)
from openai.types.shared import Reasoning
from pydantic import BaseModel

set_tracing_disabled(True)


class Book(BaseModel):
    title: str
    year: int


@function_tool
def get_weather(city: str) -> str:
    """The weather of a city."""
    return f"sunny in {city}"


async def main() -> dict[str, object]:
    weather = Agent(name="weather", model="fake", tools=[get_weather])
    tool = await Runner.run(weather, "What is the weather?")
    streamed = Runner.run_streamed(weather, "What is the weather?")
    kinds = {event.type async for event in streamed.stream_events()}

    desk = Agent(name="desk", model="fake", instructions="Hand over.", handoffs=[weather])
    handed = await Runner.run(desk, "Please transfer me")

    books = Agent(name="books", model="fake", output_type=Book)
    book = await Runner.run(books, "Who wrote it?")

    thinker = Agent(
        name="thinker", model="fake", model_settings=ModelSettings(reasoning=Reasoning(effort="low", summary="auto"))
    )
    thought = await Runner.run(thinker, "think")

    session = OpenAIConversationsSession()
    talker = Agent(name="talker", model="fake")
    await Runner.run(talker, "My name is Ann", session=session)
    named = await Runner.run(talker, "What is my name?", session=session)
    local = SQLiteSession("local")
    await Runner.run(talker, "My name is Ann", session=local)
    again = await Runner.run(talker, "What is my name?", session=local)
    first = await Runner.run(talker, "My name is Ann")
    chained = await Runner.run(talker, "What is my name?", previous_response_id=first.last_response_id)

    stateless = Agent(name="stateless", model="fake", tools=[get_weather], model_settings=ModelSettings(store=False))
    unstored = await Runner.run(stateless, "What is the weather?")
    return {
        "tool": tool.final_output,
        "streamed": streamed.final_output,
        "kinds": sorted(kinds),
        "handed": [handed.last_agent.name, handed.final_output],
        "book": book.final_output.model_dump(),
        "thought": [type(item).__name__ for item in thought.new_items],
        "names": [named.final_output, again.final_output, chained.final_output],
        "unstored": unstored.final_output,
    }


print(json.dumps(asyncio.run(main()), ensure_ascii=False))
