"""GGUF metadata -> the tokenizer files of a Hugging Face folder, which `Tokenizer` and `ChatRenderer` then read.

A GGUF file holds the vocabulary, but names the way text is cut before it is merged (`tokenizer.ggml.pre`); the
expressions for those names are the published ones of the models' own tokenizers. Sentencepiece vocabularies have
scores in the place of merges.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import tokenizers
from tokenizers import AddedToken, Regex, decoders, models, normalizers, pre_tokenizers, processors

from owngpt.errors import CheckpointError

_UNKNOWN, _CONTROL, _USER_DEFINED, _UNUSED, _BYTE = 2, 3, 4, 5, 6  # tokenizer.ggml.token_type; 1 is normal

_WORDS = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_CASED = rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+%s|[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*%s|\p{{N}}%s|"
_CASED_WORDS = r" ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_QWEN2 = rf"{_CONTRACTIONS}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}|{_WORDS}"
_LLAMA3 = rf"{_CONTRACTIONS}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}{{1,3}}|{_WORDS}"
_TEKKEN = _CASED % ("", "", "") + _CASED_WORDS
_GPT4O = _CASED % (f"{_CONTRACTIONS}?", f"{_CONTRACTIONS}?", "{1,3}") + _CASED_WORDS
_GPT2 = ""  # the expression that ByteLevel has by itself
_DIGITS = "digits"  # every digit alone, then as GPT-2
_PRE: Mapping[str, str] = {
    **dict.fromkeys(("qwen2", "deepseek-r1-qwen", "stablelm2", "hunyuan", "megrez"), _QWEN2),
    **dict.fromkeys(("llama3", "llama-v3", "llama-bpe", "smaug-bpe", "dbrx", "falcon3", "pixtral-llama3"), _LLAMA3),
    **dict.fromkeys(("smollm", "starcoder", "refact", "codeshell", "command-r"), _DIGITS),
    **dict.fromkeys(("default", "gpt-2", "gpt2", "mpt", "olmo", "jais", "phi-2", "roberta-bpe"), _GPT2),
    "tekken": _TEKKEN,
    **dict.fromkeys(("gpt-4o", "llama4"), _GPT4O),
}
_IGNORES_MERGES = (_LLAMA3, _TEKKEN, _GPT4O)  # a word that is a token is that token, whatever merges would make of it
_LONGEST = 512  # characters of a token; a longer one would take the square of its length to cut up
_ADDS_BOS = (_LLAMA3, _TEKKEN)  # where tokenizer.ggml.add_bos_token says nothing
_ENDS = ("<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<end_of_turn>", "<|endoftext|>", "<|end_of_text|>", "<|return|>")


def tokenizer_files(fields: Mapping[str, Any], source: Path) -> dict[str, str]:
    """Name -> content of tokenizer.json, tokenizer_config.json and generation_config.json.

    `CheckpointError` names the key of the file `source` that is missing, broken or not supported.
    """
    reader = _Reader(fields, source)
    backend, spelled = reader.backend(), json.dumps
    return {
        "tokenizer.json": backend.to_str(),
        "tokenizer_config.json": spelled(reader.config(), ensure_ascii=False),
        "generation_config.json": spelled(reader.generation_config()),
    }


class _Reader:
    """The `tokenizer.*` keys of one file."""

    def __init__(self, fields: Mapping[str, Any], source: Path) -> None:
        self.fields = fields
        self.source = source
        self.tokens: Sequence[str] = self._list("tokens", str)
        if any(len(token) > _LONGEST for token in self.tokens):
            raise self._error("tokens", f"one has more than {_LONGEST} characters")
        has_types = "tokenizer.ggml.token_type" in fields
        self.types: Sequence[int] = self._list("token_type", int) if has_types else [1] * len(self.tokens)
        if len(self.types) != len(self.tokens):
            raise self._error("token_type", f"{len(self.types)} values for {len(self.tokens)} tokens")

    def backend(self) -> tokenizers.Tokenizer:
        try:
            return self._backend()
        except ValueError as error:  # from the library, which says what it could not take
            raise CheckpointError(f"{self.source}: its tokenizer cannot be built: {error}") from error

    def _backend(self) -> tokenizers.Tokenizer:
        kind = self.fields.get("tokenizer.ggml.model")
        if kind == "gpt2":
            backend = self._byte_level()
        elif kind == "llama":
            backend = self._sentencepiece()
        else:
            raise self._error("model", f"{kind!r} is not supported; supported: gpt2, llama")
        self._add_tokens(backend, is_normalized=kind == "llama")
        bos = self._token("bos")
        if bos is not None and self._adds_bos():
            backend.post_processor = processors.TemplateProcessing(
                single=f"{bos}:0 $A:0",
                pair=f"{bos}:0 $A:0 {bos}:1 $B:1",
                special_tokens=[(bos, self.fields["tokenizer.ggml.bos_token_id"])],
            )
        return backend

    def config(self) -> dict[str, Any]:
        """tokenizer_config.json."""
        names = {"bos": "bos", "eos": "eos", "unk": "unknown", "pad": "padding"}
        named = {f"{ours}_token": self._token(theirs) for ours, theirs in names.items()}
        prefix = "tokenizer.chat_template"
        templates = [
            {"name": key.removeprefix(prefix).removeprefix(".") or "default", "template": value}
            for key, value in self.fields.items()
            if (key == prefix or key.startswith(f"{prefix}.")) and isinstance(value, str)
        ]
        return {
            **{key: value for key, value in named.items() if value is not None},
            "add_bos_token": self._adds_bos(),
            **({"chat_template": templates} if templates else {}),
        }

    def generation_config(self) -> dict[str, Any]:
        """Where answers end: what the file names, and the ends of turns that are control tokens of it."""
        named = [self.fields.get(f"tokenizer.ggml.{end}_token_id") for end in ("eos", "eot", "eom")]
        ids = [i for i in named if isinstance(i, int) and 0 <= i < len(self.tokens)]
        ids += [i for i, kind in enumerate(self.types) if kind == _CONTROL and self.tokens[i] in _ENDS]
        return {"eos_token_id": list(dict.fromkeys(ids))}

    def _byte_level(self) -> tokenizers.Tokenizer:
        if self._pre not in _PRE:
            raise self._error("pre", f"{self._pre!r} is not supported; supported: {', '.join(_PRE)}")
        merges = [tuple(merge.split(" ", 1)) for merge in self._list("merges", str)]
        vocab = {token: i for i, token in self._pieces()}
        known = [merge for merge in merges if len(merge) == 2 and {*merge, "".join(merge)} <= vocab.keys()]
        expression = _PRE[self._pre]
        model = models.BPE(vocab=vocab, merges=known, ignore_merges=expression in _IGNORES_MERGES)
        backend = tokenizers.Tokenizer(model)
        if expression == _QWEN2:
            backend.normalizer = normalizers.NFC()
        backend.pre_tokenizer = _pre_tokenizer(expression)
        backend.decoder = decoders.ByteLevel()
        return backend

    def _sentencepiece(self) -> tokenizers.Tokenizer:
        scores = self._list("scores", float)
        if len(scores) != len(self.tokens):
            raise self._error("scores", f"{len(scores)} values for {len(self.tokens)} tokens")
        vocab = {token: i for i, token in self._pieces()}
        unknown = self._token("unknown")
        model = models.BPE(
            vocab=vocab, merges=list(_merges(vocab, scores)), byte_fallback=True, fuse_unk=True, unk_token=unknown
        )
        backend = tokenizers.Tokenizer(model)
        spaces = normalizers.Replace(" ", "▁")
        is_prefixed = bool(self.fields.get("tokenizer.ggml.add_space_prefix", True))
        backend.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), spaces]) if is_prefixed else spaces
        strip = [decoders.Strip(" ", 1, 0)] if is_prefixed else []
        backend.decoder = decoders.Sequence(
            [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), *strip]
        )
        return backend

    def _pieces(self) -> Iterator[tuple[int, str]]:
        """Ids and tokens, without what only fills the vocabulary up at its end."""
        last = max((i for i, kind in enumerate(self.types) if kind != _UNUSED), default=-1)
        return iter(list(enumerate(self.tokens))[: last + 1])

    def _add_tokens(self, backend: tokenizers.Tokenizer, *, is_normalized: bool) -> None:
        for i, token in self._pieces():
            if self.types[i] in (_CONTROL, _UNKNOWN):
                backend.add_special_tokens([AddedToken(token, normalized=False, special=True)])
            elif self.types[i] == _USER_DEFINED:
                backend.add_tokens([AddedToken(token, normalized=is_normalized, special=False)])

    def _adds_bos(self) -> bool:
        default = self.fields.get("tokenizer.ggml.model") == "llama"
        default |= _PRE.get(self._pre) in _ADDS_BOS
        return bool(self.fields.get("tokenizer.ggml.add_bos_token", default))

    @property
    def _pre(self) -> str:
        """How text is cut."""
        return str(self.fields.get("tokenizer.ggml.pre", "default"))

    def _token(self, name: str) -> str | None:
        i = self.fields.get(f"tokenizer.ggml.{name}_token_id")
        return self.tokens[i] if isinstance(i, int) and 0 <= i < len(self.tokens) else None

    def _list(self, name: str, kind: type) -> list[Any]:
        values = self.fields.get(f"tokenizer.ggml.{name}")
        if not isinstance(values, list) or not all(isinstance(value, kind) for value in values):
            raise self._error(name, "it is missing or not a list; the file has no usable tokenizer")
        return values

    def _error(self, name: str, reason: str) -> CheckpointError:
        return CheckpointError(f"{self.source}: tokenizer.ggml.{name}: {reason}")


def _pre_tokenizer(expression: str) -> pre_tokenizers.PreTokenizer:
    if expression == _GPT2:
        return pre_tokenizers.ByteLevel(add_prefix_space=False)
    if expression == _DIGITS:
        digits = pre_tokenizers.Digits(individual_digits=True)
        return pre_tokenizers.Sequence([digits, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    split = pre_tokenizers.Split(Regex(expression), behavior="isolated")
    return pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def _merges(vocab: Mapping[str, int], scores: Sequence[float]) -> list[tuple[str, str]]:
    """Every way to put a piece together of two others, the piece with the best score first (Kudo 2018's own order)."""
    found = [
        (-scores[i], vocab[piece[:cut]], vocab[piece[cut:]], piece[:cut], piece[cut:])
        for piece, i in vocab.items()
        for cut in range(1, len(piece))
        if piece[:cut] in vocab and piece[cut:] in vocab
    ]
    return [(left, right) for *_, left, right in sorted(found)]
