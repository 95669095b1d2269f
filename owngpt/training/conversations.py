"""Conversations -> token ids, and which of them the assistant is to learn: its own, to the token that ends its turn.

A turn is learned behind exactly the prompt that serving would make of what comes before it. Where a template writes a
turn otherwise once others follow (Qwen3 drops earlier thinking), the turn becomes an example of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from owngpt.errors import InvalidRequest, SetupError
from owngpt.text.chat import ChatRenderer
from owngpt.text.tokenizer import Tokenizer
from owngpt.training.corpus import SourceReport, held_out_file, read_manifest, train_file
from owngpt.training.documents import Document, read_documents
from owngpt.types import Message, Tool


@dataclass(frozen=True, slots=True)
class Conversation:
    """Messages, and the places of those of the assistant that are context only."""

    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    unlearned: frozenset[int] = frozenset()


class Example(NamedTuple):
    """Token ids, and for each whether it is learned."""

    ids: list[int]
    is_answer: list[bool]


class Turn(NamedTuple):
    """The ids of a prompt, and of an answer to it with the token that ends it."""

    prompt: list[int]
    answer: list[int]

    @property
    def example(self) -> Example:
        """The answer learned behind the prompt."""
        return Example(self.prompt + self.answer, [False] * len(self.prompt) + [True] * len(self.answer))


@dataclass(frozen=True, slots=True)
class TurnEncoder:
    """A model folder's renderer, as serving uses it. `ends` are the tokens that may end a turn."""

    tokenizer: Tokenizer
    chat: ChatRenderer
    ends: tuple[int, ...]

    @classmethod
    def load(cls, folder: Path) -> TurnEncoder:
        """`SetupError` where the folder names no token that ends a turn."""
        tokenizer = Tokenizer.load(folder)
        if not tokenizer.eos_token_ids:
            raise SetupError(f"{folder} names no eos_token_id; add it to generation_config.json")
        return cls(tokenizer, ChatRenderer.load(folder, tokenizer), tokenizer.eos_token_ids)

    def prompt(self, messages: Sequence[Message], tools: Sequence[Tool] = ()) -> list[int]:
        """What the model reads before it answers."""
        return self.chat.encode(messages, tools)

    def turn(self, messages: Sequence[Message], answer: Message, tools: Sequence[Tool] = ()) -> Turn:
        """An answer to `messages`."""
        return self._turn(self.prompt(messages, tools), self._whole([*messages, answer], tools), answer)

    def examples(self, conversation: Conversation) -> list[Example]:
        """One for the whole conversation, and one for each turn that does not stand in it as it was said."""
        messages, tools = conversation.messages, conversation.tools
        whole = self._whole(messages, tools)
        is_answer, alone, end = [False] * len(whole), list[Example](), 0
        for place, message in enumerate(messages):
            if message.role != "assistant" or place in conversation.unlearned:
                continue
            through = whole if place == len(messages) - 1 else self._whole(messages[: place + 1], tools)
            turn = self._turn(self.prompt(messages[:place], tools), through, message)
            start, stop = len(turn.prompt), len(turn.prompt) + len(turn.answer)
            if whole[:stop] == turn.example.ids:
                is_answer[start:stop], end = turn.example.is_answer[start:], stop
            else:
                alone.append(turn.example)
        return [Example(whole[:end], is_answer[:end]), *alone] if end else alone

    def _whole(self, messages: Sequence[Message], tools: Sequence[Tool]) -> list[int]:
        return self.chat.encode(messages, tools, add_generation_prompt=False)

    def _turn(self, prompt: list[int], through: list[int], answer: Message) -> Turn:
        """The answer's part of what the template writes `through` its turn."""
        if through[: len(prompt)] != prompt:
            return Turn(prompt, self._spelled(answer))
        said = through[len(prompt) :]
        last = max((place for place, token in enumerate(said) if token in self.ends), default=None)
        return Turn(prompt, [*said, self.ends[0]] if last is None else said[: last + 1])

    def _spelled(self, answer: Message) -> list[int]:
        """An answer that the template does not write behind its own prompt: its text alone."""
        if answer.tool_calls:
            raise SetupError("the chat template writes tool calls otherwise than it asks for them; leave them out")
        return [*self.chat.encode_answer(answer.content), self.ends[0]]


def encode_all(encoder: TurnEncoder, conversations: Iterator[Conversation], context: int) -> Iterator[list[Example]]:
    """The examples of each conversation that fit into `context`. What the template refuses is a `SetupError`."""
    for number, conversation in enumerate(conversations, start=1):
        try:
            examples = encoder.examples(conversation)
        except InvalidRequest as error:
            raise SetupError(f"conversation {number}: {error.message}; mend it, or take it out") from error
        yield [example for example in examples if len(example.ids) <= context]


def of_document(document: Document) -> Conversation:
    """A document of the corpus that is a conversation."""
    return Conversation(document.messages, document.tools)


def corpus_conversations(corpus: Path) -> Iterator[Conversation]:
    """Those of all chat sources, each read once: always the next one of the source that is furthest behind its share of
    the corpus' second phase. `SetupError` where there are none."""
    sources = [source for source in read_manifest(corpus) if source.kind == "chat" and source.decay > 0]
    if not sources:
        raise SetupError(f"{corpus} has no conversations to tune on; add a .jsonl file with 'messages' to its sources")
    return _by_share(corpus, sources)


def held_out_conversations(corpus: Path) -> Iterator[Conversation]:
    """One of each chat source's held-out part in turn."""
    sources = [source for source in read_manifest(corpus) if source.kind == "chat" and source.num_held_out]
    streams = [read_documents(held_out_file(corpus, source.name)) for source in sources]
    while streams:
        documents = [(stream, next(stream, None)) for stream in streams]
        yield from (of_document(document) for _, document in documents if document is not None)
        streams = [stream for stream, document in documents if document is not None]


def _by_share(corpus: Path, sources: Sequence[SourceReport]) -> Iterator[Conversation]:
    streams = {source.name: read_documents(train_file(corpus, source.name)) for source in sources}
    shares = {source.name: source.decay for source in sources}
    read = dict.fromkeys(streams, 0)
    while streams:
        name = min(streams, key=lambda name: read[name] / shares[name])
        document = next(streams[name], None)
        if document is None:
            del streams[name]
            continue
        read[name] += document.num_characters
        yield of_document(document)
