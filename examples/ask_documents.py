"""Ask your own documents, with the official SDK: answers with quotes and their places, or none.

    make serve                                        # prints the key the first time
    export OPENAI_BASE_URL=http://127.0.0.1:8000/v1 OPENAI_API_KEY=sk-own-...
    python examples/ask_documents.py a.pdf b.pdf c.pdf d.docx --question "When ...?"

Without arguments it makes four documents of its own and asks about them, also what they do not
say. It needs `pip install openai`.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

from openai import OpenAI
from openai.types.responses import Response
from sample_documents import make_documents

QUESTIONS = (
    "How many days of annual leave do employees get?",
    "How much is paid for meals a day?",
    "How many weeks of parental leave do fathers get?",  # which no document says
)


def main(arguments: Sequence[str] | None = None, client: OpenAI | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, help="PDF, DOCX, PPTX, XLSX, HTML, Markdown, text, e-mail, ...")
    parser.add_argument("--question", action="append", help="give it several times; the documents need not answer")
    parser.add_argument("--mode", default="extract", choices=["extract", "quote"], help="quote: the model's own words")
    parser.add_argument("--model", help="needed where several are loaded")
    given = parser.parse_args(arguments)
    client = client or OpenAI()
    with tempfile.TemporaryDirectory() as folder:
        files = given.files or make_documents(Path(folder))
        store = upload(client, files)
    for question in given.question or QUESTIONS:
        print(f"\n> {question}")
        show(ask(client, store, question, given.mode, given.model))


def upload(client: OpenAI, files: Sequence[Path]) -> str:
    """A new vector store with these files, when they can be searched; -> its id."""
    store = client.vector_stores.create(name="ask_documents")
    batch = client.vector_stores.file_batches.upload_and_poll(store.id, files=files, poll_interval_ms=300)
    print(f"{store.id}: {batch.file_counts.completed} of {batch.file_counts.total} files are in it")
    for file in client.vector_stores.files.list(store.id, filter="failed"):
        print(f"  not in it: {file.last_error.message if file.last_error else file.id}")
    return store.id


def ask(client: OpenAI, store: str, question: str, mode: str, model: str | None = None) -> Response:
    return client.responses.create(
        **({"model": model} if model else {}),
        input=question,
        tools=[{"type": "file_search", "vector_store_ids": [store]}],
        extra_body={"citation_options": {"mode": mode}},
    )


def show(response: Response) -> None:
    """The answer, its verdict, and for each citation `document[start:end] == quote`."""
    message = next(item for item in response.output if item.type == "message")
    print(response.output_text)
    print(f"{message.grounding['verdict']} (support {message.grounding['support']:.2f})")
    for citation in message.content[0].annotations:
        page = f"page {citation.page}, " if citation.page else ""
        print(f"  {citation.filename}, {page}characters {citation.start}-{citation.end}: {citation.quote!r}")


if __name__ == "__main__":
    main()
