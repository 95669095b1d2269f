"""Many requests in one file, made while nobody else needs the machine. Set OPENAI_BASE_URL and OPENAI_API_KEY."""

from __future__ import annotations

import json
import time

from openai import OpenAI

QUESTIONS = ["Who are you?", "What is the capital of France?", "こんにちは"]


def main(client: OpenAI | None = None, model: str = "garlic") -> None:
    client = client or OpenAI()
    lines = [
        {
            "custom_id": f"question-{number}",
            "method": "POST",
            "url": "/v1/chat/completions",
            "body": {"model": model, "messages": [{"role": "user", "content": question}], "max_tokens": 30},
        }
        for number, question in enumerate(QUESTIONS)
    ]
    data = "".join(json.dumps(line) + "\n" for line in lines).encode()
    file = client.files.create(file=("questions.jsonl", data), purpose="batch")
    batch = client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
    while batch.status not in ("completed", "failed", "expired", "cancelled"):
        time.sleep(0.2)
        batch = client.batches.retrieve(batch.id)
    print(batch.status, batch.request_counts)
    for line in client.files.content(batch.output_file_id or "").text.splitlines():
        answer = json.loads(line)
        print(answer["custom_id"], answer["response"]["body"]["choices"][0]["message"]["content"])


if __name__ == "__main__":
    main()
