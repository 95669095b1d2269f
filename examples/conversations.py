"""Two ways to go on talking without sending everything again. Set OPENAI_BASE_URL and OPENAI_API_KEY."""

from __future__ import annotations

from openai import OpenAI


def main(client: OpenAI | None = None, model: str = "garlic") -> None:
    client = client or OpenAI()

    first = client.responses.create(model=model, input="Hello! My name is Aoi.")
    second = client.responses.create(model=model, input="Who are you?", previous_response_id=first.id)
    print("after", first.id, "->", second.output_text)
    if second.usage is not None:  # what was said before was not computed again
        print(second.usage.input_tokens_details.cached_tokens, "of", second.usage.input_tokens, "tokens were cached")

    conversation = client.conversations.create(metadata={"topic": "greetings"})
    for text in ("Hello!", "Who are you?"):
        client.responses.create(model=model, input=text, conversation=conversation.id)
    for item in client.conversations.items.list(conversation.id, order="asc"):
        if item.type == "message":
            print(f"{item.role}: {item.content[0].text}")


if __name__ == "__main__":
    main()
