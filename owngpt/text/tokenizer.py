"""Text <-> token ids, from a Hugging Face folder. Knows nothing of chats, streams or models.

`decode` is defined on bytes: each token stands for some bytes (`token_bytes`), they are joined and read as UTF-8, what
is not UTF-8 becomes U+FFFD. So a whole decode and a streamed one (`detokenize.py`) cannot differ.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import llguidance
import tokenizers

from owngpt.errors import CheckpointError
from owngpt.text.fim import find_marks
from owngpt.text.spellings import Spellings

_LONG = 2_048  # characters; a batch (of one) does not hold the interpreter's lock, a single text does

FAR = 4  # times a limit; so much more that a cut in the middle of a word makes no difference
_HEAD = 16  # characters per token of a limit, of which a long text's beginning is made

_ALONE = "☺"

Alphabet = Literal["byte_level", "sentencepiece", "wordpiece", "plain"]


class Tokenizer:
    """A checkpoint's tokenizer. Ids are `0..vocab_size-1`; a model's logits may be wider (padding).

    `eos_token_ids` is the union of what generation_config, config and tokenizer_config name, in that order, so that
    end-of-turn tokens are among them. Encoding never truncates, pads, or (by default) adds tokens.
    """

    def __init__(
        self,
        backend: tokenizers.Tokenizer,
        bos: int | None = None,
        eos: Iterable[int] = (),
        *,
        fim_suffix_first: bool | None = None,
    ) -> None:
        backend.no_truncation()
        backend.no_padding()
        self._backend = backend
        self._tokens: dict[int, str] = {i: token for token, i in backend.get_vocab(with_added_tokens=True).items()}
        self._added: dict[int, tokenizers.AddedToken] = backend.get_added_tokens_decoder()
        self._alphabet, self._strips_leading_space = _alphabet(_decoder(backend))
        self.vocab_size = max(self._tokens, default=-1) + 1
        self.bos_token_id = bos
        self.eos_token_ids = tuple(dict.fromkeys(i for i in eos if i in self._tokens))
        self.special_ids = frozenset(i for i, token in self._added.items() if token.special)
        self.fim = find_marks(backend.token_to_id, fim_suffix_first)  # None: it cannot fill gaps
        self._bytes: dict[int, bytes] = {}  # filled as tokens are met

    @classmethod
    def load(cls, folder: Path) -> Tokenizer:
        """Read `tokenizer.json` and what the config files say of special tokens; `CheckpointError` if broken."""
        try:
            backend = tokenizers.Tokenizer.from_str((folder / "tokenizer.json").read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise CheckpointError(f"{folder} has no tokenizer.json; only fast tokenizers are supported") from error
        except Exception as error:  # `tokenizers` raises bare Exception for what it cannot parse
            raise CheckpointError(f"{folder / 'tokenizer.json'} cannot be read: {error}") from error
        named = read_json(folder / "special_tokens_map.json") | read_json(folder / "tokenizer_config.json")
        try:
            _add_named_tokens(backend, named)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"{folder / 'tokenizer_config.json'}: added_tokens_decoder: {error!r}") from error
        bos, eos = _token_id(backend, named.get("bos_token")), _eos_ids(backend, folder, named)
        return cls(backend, bos, eos, fim_suffix_first=named.get("fim_suffix_first"))

    def encode(self, text: str, *, add_special_tokens: bool = False) -> list[int]:
        """Ids of the whole text. Added tokens that stand in it are recognized; for untrusted text see `chat.py`.

        Lone surrogates, which JSON lets through, become U+FFFD.
        """
        whole = _whole_characters(text)
        if len(text) > _LONG:
            return self._backend.encode_batch_fast([whole], add_special_tokens=add_special_tokens)[0].ids
        return self._backend.encode(whole, add_special_tokens=add_special_tokens).ids

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """`encode` of each text, on all cores."""
        whole = [_whole_characters(text) for text in texts]
        return [encoding.ids for encoding in self._backend.encode_batch_fast(whole, add_special_tokens=False)]

    def encode_inside(self, text: str) -> list[int]:
        """Ids of a text that does not begin here: without the space that sentencepiece puts before a first word.

        As CodeLlama and Codestral do it for suffixes: encoded behind a character that merges with nothing.
        """
        if not self._strips_leading_space:
            return self.encode(text)
        return self.encode(_ALONE + text)[len(self.encode(_ALONE)) :]

    @property
    def opening(self) -> list[int]:
        """What stands before the first token of every prompt, as the checkpoint says."""
        return [i for i in self.encode("", add_special_tokens=True) if i == self.bos_token_id]

    def encode_pieces(
        self, pieces: Iterable[str], limit: int | None = None, *, add_special_tokens: bool = False
    ) -> list[int]:
        """Ids of the pieces, in a row; of what is far above `limit` only the first, more than `FAR` times as many.

        So a prompt of megabytes, which no model takes, costs little more than one that just fits.
        """
        ids: list[int] = []
        for piece in pieces:
            ids += self._encode_to(piece, limit, add_special_tokens)
            if limit is not None and len(ids) > FAR * limit:
                break
        return ids

    def _encode_to(self, text: str, limit: int | None, add_special_tokens: bool) -> list[int]:
        if limit is not None and len(text) > _HEAD * limit:
            ids = self.encode(text[: _HEAD * limit], add_special_tokens=add_special_tokens)
            if len(ids) > FAR * limit:
                return ids
        return self.encode(text, add_special_tokens=add_special_tokens)

    def decode(self, ids: Sequence[int], *, skip_special: bool = True, is_continuation: bool = False) -> str:
        """Text of the ids; ids outside the vocabulary are empty.

        A sentencepiece text begins with a space that is not part of it; it is dropped, unless the ids continue a text.
        """
        kept = ids if not skip_special else [i for i in ids if i not in self.special_ids]
        text = b"".join(map(self.token_bytes, kept)).decode("utf-8", errors="replace")
        return text[1:] if self._strips_leading_space and not is_continuation and text[:1] == " " else text

    def token_bytes(self, token_id: int) -> bytes:
        """The bytes that the token stands for; they may be part of a character. Empty outside the vocabulary."""
        known = self._bytes.get(token_id)
        if known is None and token_id in self._tokens:
            known = self._bytes[token_id] = self._bytes_of(token_id)
        return known or b""

    def can_spell(self, character: str) -> bool:
        """Whether some tokens stand for this character, or for each of its bytes."""
        spelled = character.encode("utf-8", "surrogatepass")
        return spelled in self._short_tokens or all(bytes([byte]) in self._short_tokens for byte in spelled)

    def token_to_id(self, token: str) -> int | None:
        """The id of a token by its name in the vocabulary."""
        return self._backend.token_to_id(token)

    def has_tokens_of(self, other: Tokenizer) -> bool:
        """Whether the ids stand for the same tokens."""
        return self._tokens == other._tokens

    @property
    def special_tokens(self) -> frozenset[str]:
        """The texts of the special tokens."""
        return frozenset(self._tokens[i] for i in self.special_ids)

    @cached_property
    def llg(self) -> llguidance.LLTokenizer:
        """The same vocabulary for grammars; takes about a second for a large one, so it is made on first use."""
        eos = list(self.eos_token_ids) or None
        return llguidance.LLTokenizer(_without_names(self._backend), n_vocab=self.vocab_size, eos_token=eos)

    @cached_property
    def spellings(self) -> Spellings:
        """The tokens of texts by what they stand for; takes a fifth of a second for a large vocabulary."""
        return Spellings((self._bytes_of(i), i) for i in self._tokens if i not in self._added)

    @cached_property
    def _short_tokens(self) -> frozenset[bytes]:
        """What tokens stand for that are no longer than a character."""
        return frozenset(
            spelled for i in self._tokens if i not in self._added and len(spelled := self._bytes_of(i)) <= 4
        )

    def _bytes_of(self, token_id: int) -> bytes:
        token = self._tokens[token_id]
        if token_id in self._added:
            content = self._added[token_id].content
            return (content.replace("▁", " ") if self._alphabet == "sentencepiece" else content).encode()
        if self._alphabet == "byte_level":
            mapped = [_BYTE_OF.get(character) for character in token]
            return bytes(b for b in mapped if b is not None) if None not in mapped else token.encode()
        if self._alphabet == "sentencepiece":
            byte = re.fullmatch(r"<0x([0-9A-Fa-f]{2})>", token)
            return bytes([int(byte[1], 16)]) if byte else token.replace("▁", " ").encode()
        if self._alphabet == "wordpiece":
            return (token[2:] if token.startswith("##") else f" {token}").encode()
        return token.encode()


def read_json(file: Path) -> dict[str, Any]:
    """A JSON object from a file of a checkpoint; empty if the file is not there, `CheckpointError` if it is broken."""
    if not file.is_file():
        return {}
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise CheckpointError(f"{file} cannot be read: {error}") from error
    if not isinstance(document, dict):
        raise CheckpointError(f"{file} holds a {type(document).__name__}; expected a JSON object")
    return document


def _whole_characters(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _byte_alphabet() -> dict[str, int]:
    """Character -> byte of byte-level BPE (GPT-2): printable Latin-1 is itself, the rest follows from U+0100."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    rest = [b for b in range(256) if b not in printable]
    return {chr(b): b for b in printable} | {chr(0x100 + n): b for n, b in enumerate(rest)}


_BYTE_OF = _byte_alphabet()


def _decoder(backend: tokenizers.Tokenizer) -> dict[str, Any] | None:
    """The decoder's entry of tokenizer.json."""
    state: dict[str, Any] | None = json.loads(backend.decoder.__getstate__()) if backend.decoder else None
    return state


def _alphabet(decoder: dict[str, Any] | None) -> tuple[Alphabet, bool]:
    """How tokens are spelled, and whether a text's first space is an artefact, from tokenizer.json's decoder."""
    parts = decoder.get("decoders", [decoder]) if decoder else []
    kinds = {part["type"] for part in parts}
    if "ByteLevel" in kinds:
        return "byte_level", False
    if "Metaspace" in kinds:
        metaspace = next(part for part in parts if part["type"] == "Metaspace")
        return "sentencepiece", metaspace.get("prepend_scheme", "always") != "never"
    if "ByteFallback" in kinds or "Replace" in kinds:
        return "sentencepiece", "Strip" in kinds
    return ("wordpiece", True) if "WordPiece" in kinds else ("plain", False)


def _add_named_tokens(backend: tokenizers.Tokenizer, config: dict[str, Any]) -> None:
    """Make the tokens that only the config files know part of the vocabulary, as transformers does."""
    decoder = config.get("added_tokens_decoder") or {}
    for _, entry in sorted(decoder.items(), key=lambda item: int(item[0])):
        if backend.token_to_id(entry["content"]) is None:
            flags = {k: bool(entry.get(k, False)) for k in ("lstrip", "rstrip", "single_word", "normalized", "special")}
            backend.add_tokens([tokenizers.AddedToken(entry["content"], **flags)])
    names = [_content(config.get(f"{name}_token")) for name in ("bos", "eos", "pad", "cls", "sep", "mask")]
    known = backend.get_added_tokens_decoder().values()
    special = {token.content for token in known if token.special}
    backend.add_special_tokens(
        [tokenizers.AddedToken(n, normalized=False) for n in dict.fromkeys(names) if n and n not in special]
    )


def _content(token: object) -> str | None:
    """A token's text: config files spell it as a string or as an object with `content`."""
    content = token.get("content") if isinstance(token, dict) else token
    return content if isinstance(content, str) else None


def _without_names(backend: tokenizers.Tokenizer) -> str:
    """tokenizer.json with other names for the marks, so that no text is ever encoded as one.

    Where a grammar forces `<|im_end|>` as text, llguidance would take the token for it, which is not that text.
    """
    state = json.loads(backend.to_str())
    marks = [token for token in state["added_tokens"] if token["special"] or _is_mark(token["content"])]
    names = {token["content"]: f"<\ue000{token['id']}>" for token in marks}
    for token in marks:
        token["content"] = names[token["content"]]
    model = state["model"]
    if isinstance(model["vocab"], dict):
        model["vocab"] = {names.get(piece, piece): i for piece, i in model["vocab"].items()}
    else:  # Unigram
        model["vocab"] = [[names.get(piece, piece), score] for piece, score in model["vocab"]]
    if "unk_token" in model:
        model["unk_token"] = names.get(model["unk_token"], model["unk_token"])
    return json.dumps(state)


def _is_mark(content: str) -> bool:
    """What llguidance takes for a special token, whatever its flag says."""
    return content.startswith("<") and content.endswith(">")


def _token_id(backend: tokenizers.Tokenizer, token: object) -> int | None:
    content = _content(token)
    return backend.token_to_id(content) if content else None


def _eos_ids(backend: tokenizers.Tokenizer, folder: Path, named: dict[str, Any]) -> list[int]:
    config = read_json(folder / "config.json")
    text_config = config.get("text_config") or {}
    found: list[Any] = []
    for source in (read_json(folder / "generation_config.json"), config, text_config):
        value = source.get("eos_token_id")
        found += value if isinstance(value, list) else [value]
    found.append(_token_id(backend, named.get("eos_token")))
    return [i for i in found if isinstance(i, int) and not isinstance(i, bool)]
