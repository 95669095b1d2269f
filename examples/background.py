"""A response that is made without its client: order it, leave, come back. Set OPENAI_BASE_URL and OPENAI_API_KEY."""

from __future__ import annotations

import time

from openai import OpenAI


def main(client: OpenAI | None = None, model: str = "garlic") -> None:
    client = client or OpenAI()

    response = client.responses.create(model=model, input="Who are you?", background=True)
    print(response.id, response.status)  # on disk: it is made even if the server restarts
    while response.status in ("queued", "in_progress"):
        time.sleep(0.1)
        response = client.responses.retrieve(response.id)
    print(response.status, "->", response.output_text)

    for event in client.responses.create(model=model, input="Hello!", background=True, stream=True):
        if event.type == "response.created":
            response = event.response
        if event.sequence_number == 3:  # here the connection breaks off
            print("left after the event", event.type)
            break
    *_, last = client.responses.retrieve(response.id, stream=True, starting_after=3)  # all events behind that one
    print("came back, and followed it to", last.type, "->", last.response.output_text)


if __name__ == "__main__":
    main()
