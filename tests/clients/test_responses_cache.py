"""State is tied to the prefix cache: a follow-up pays only for what is new in it. With a real engine."""

from __future__ import annotations

from typing import Any

from openai import OpenAI

from tests.clients.serving import Running

BLOCK = 16  # tokens
QUESTION = "Tell me of the tower. " * 8  # to which the random model does not begin with white space, which nobody keeps
SAID = "It was built of iron, in two years, by three hundred workers. " * 2
TEXT: Any = {"format": {"type": "json_schema", "name": "a", "schema": {"const": SAID}}}  # what the model has to say


def test_a_follow_up_finds_the_whole_answer_in_the_cache(tiny: Running) -> None:
    with OpenAI(base_url=tiny.url, api_key=tiny.key) as client:
        first = client.responses.create(
            model="tiny", input=QUESTION, instructions="Be brief.", text=TEXT, temperature=0
        )
        second = client.responses.create(
            model="tiny",
            input="And the bridge?",
            instructions="Be brief.",
            previous_response_id=first.id,
            max_output_tokens=4,
        )
        kept = client.conversations.create()
        third = client.responses.create(model="tiny", input=QUESTION, conversation=kept.id, text=TEXT, temperature=0)
        fourth = client.responses.create(model="tiny", input="More.", conversation=kept.id, max_output_tokens=4)
    for before, after in ((first, second), (third, fourth)):
        assert before.usage is not None
        assert after.usage is not None, before.output
        known = before.usage.input_tokens + before.usage.output_tokens
        assert after.usage.input_tokens_details.cached_tokens >= known // BLOCK * BLOCK - BLOCK, before.output
