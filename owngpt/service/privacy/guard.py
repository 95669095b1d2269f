"""Guard: one request's way in and out. What goes in is masked, what comes out is looked through and restored."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from owngpt.errors import InvalidRequest
from owngpt.service.privacy.documents import Masked, restored, walk
from owngpt.service.privacy.finder import Finder, all_forms, echoes, outside, telling_forms
from owngpt.service.privacy.output import OutputStream
from owngpt.service.privacy.policy import Policy
from owngpt.service.privacy.schemas import with_placeholders
from owngpt.service.privacy.vault import LITERAL, PLACEHOLDER, Vault
from owngpt.trust.pii import Entity, replaced
from owngpt.trust.pii.entity import resolve

if TYPE_CHECKING:
    from owngpt.text.tokenizer import Tokenizer

BLANK = "●"
_DIGEST_KEY = secrets.token_bytes(32)  # of this process
_SLOWEST = 20_000  # characters per second that a document is allowed to take
_ESCAPED = re.compile(r"(?:\\u[0-9A-Fa-f]{4})+")


class Guard:
    """Masks and restores with one set of placeholders. Its calls are work for the processor: long texts in a worker.

    Every method raises `PrivacyError` where looking fails, and those that read what the caller sends raise
    `InvalidRequest` for types that the policy blocks.
    """

    def __init__(self, finder: Finder, vault: Vault | None = None) -> None:
        self._finder = finder
        self._vault = vault or Vault()

    @property
    def policy(self) -> Policy:
        return self._finder.policy

    @property
    def vault(self) -> Vault:
        """The placeholders that were given until now."""
        return self._vault

    def mask(self, text: str, param: str | None = None) -> str:
        """The text with placeholders; `param` is its wire path, to be named where something is blocked."""
        return str(self.mask_document(text, param or ""))

    def mask_document(self, document: Any, where: str = "") -> Any:
        """JSON values that a caller sends, masked; `where` is their wire path."""
        return self._masked(document, where, is_ours=False)

    def mask_body(self, document: Any) -> Any:
        """The JSON body of a request, masked, and with schemas into which placeholders fit."""
        return with_placeholders(self.mask_document(document), self.policy)

    def kept(self, document: Any) -> Any:
        """JSON values that we know (an answer, what was stored), as they may be written down or shown to a model.

        Placeholders that stand in them already stay, and nothing is refused.
        """
        return self._masked(document, "", is_ours=True)

    def _masked(self, document: Any, where: str, *, is_ours: bool) -> Any:
        """First everything is looked through, so that a value is found wherever it stands; then it is written anew."""
        deadline, texts = self._finder.deadline(), walk(document, where)
        known = self._vault.get if is_ours else None
        distinct = dict.fromkeys((text.text, text.label) for text in texts)  # the same keys stand everywhere
        entities_of = {each: self._finder.find(each[0], deadline, label=each[1], known=known) for each in distinct}
        found = [text.relevant(entities_of[text.text, text.label]) for text in texts]
        if not is_ours:
            self._refuse_blocked([(text.path, entities) for text, entities in zip(texts, found, strict=True)])
        for text, entities in zip(texts, found, strict=True):
            for entity in entities:
                self._vault.put(entity.type, _shown(text.text[entity.start : entity.end]), is_own=True)
        telling, everything = telling_forms(self._vault), all_forms(self._vault) if is_ours else ()
        masked = {}
        for text, entities in zip(texts, found, strict=True):
            marks = [mark.span() for mark in PLACEHOLDER.finditer(text.text)]
            forms = everything if is_ours and not text.is_mark else telling
            again = text.relevant(outside(echoes(text.text, forms), marks))
            found_here = resolve([*entities, *again])
            is_cache_key = text.key == ("prompt_cache_key",) and bool(found_here)
            masked[text.key] = _digest(text.text) if is_cache_key else self._written(text.text, found_here)
        return Masked(masked).apply(document)

    def mask_ids(self, ids: Sequence[int], tokenizer: Tokenizer, param: str) -> Sequence[int]:
        """Token ids of a text; they stay the very same where there is nothing to mask."""
        text = tokenizer.decode(ids, skip_special=False)
        masked = self.mask(text, param)
        return ids if masked == text else tokenizer.encode(masked)

    def blank(self, text: str) -> str:
        """The text with `●` in place of each character that is personal data: every offset stays true.

        So are documents searched and quoted, also where the policy blocks: nothing of theirs is refused.
        """
        deadline = self._finder.deadline() + len(text) / _SLOWEST  # a book may take longer than a request
        entities = self._finder.find(text, deadline)
        return replaced(text, entities, lambda entity: BLANK * len(entity))

    def unmask(self, text: str, *, as_json: bool = False) -> str:
        """The caller's own values in place of their placeholders; `as_json`: inside the strings of a JSON text."""
        return PLACEHOLDER.sub(lambda match: self.shown(match[0], as_json=as_json), text)

    def restored(self, document: Any) -> Any:
        """A stored document, or an event of one, as its caller sees it; marks of citations move with their text."""
        return restored(document, self.unmask)

    def shown(self, name: str, *, as_json: bool = False) -> str:
        """What the caller sees for a placeholder: values of others stay masked, and so do all without restore."""
        secret = self._vault.get(name)
        if secret is None or not secret.is_own or not (self.policy.restore or secret.kind == LITERAL):
            return name
        return json.dumps(secret.value, ensure_ascii=False)[1:-1] if as_json else secret.value

    def stream(self, *, as_json: bool = False) -> OutputStream:
        """For one text that the model writes, piece by piece."""
        return OutputStream(self, self._finder, as_json=as_json)

    def output(self, text: str, *, as_json: bool = False) -> str:
        """A whole text that the model wrote."""
        stream = self.stream(as_json=as_json)
        return stream.feed(text) + stream.finish()

    def reserve(self, text: str) -> None:
        """Give no placeholder that stands in this stored text."""
        self._vault.reserve(text)

    def _written(self, text: str, entities: Sequence[Entity]) -> str:
        def write(entity: Entity) -> str:
            return self._vault.put(entity.type, _shown(text[entity.start : entity.end]), is_own=True)

        return replaced(text, entities, write)

    def _refuse_blocked(self, found: Sequence[tuple[str, Sequence[Entity]]]) -> None:
        """Raise `InvalidRequest` that names types and paths, never values."""
        blocked: dict[str, set[str]] = {}
        for path, entities in found:
            kinds = {entity.type for entity in entities if entity.type != LITERAL}
            if named := {kind for kind in kinds if self.policy.action(kind) == "block"}:
                blocked[path] = named
        if not blocked:
            return
        told = "; ".join(
            f"{path or 'the text'} has {', '.join(sorted(kinds))}" for path, kinds in [*blocked.items()][:8]
        )
        raise InvalidRequest(
            f"The privacy policy of this project blocks personal data: {told}. Remove it and send the request again.",
            param=next(iter(blocked)) or None,
            code="pii_blocked",
        )


def _shown(text: str) -> str:
    """A value as its reader means it: characters that JSON has escaped are read."""
    return _ESCAPED.sub(lambda match: str(json.loads(f'"{match[0]}"')), text)


def _digest(text: str) -> str:
    """Stands for a key of the cache: equal for equal ones, different for others, and nobody can read it."""
    return (
        "masked-" + hashlib.blake2b(text.encode("utf-8", "surrogatepass"), key=_DIGEST_KEY, digest_size=16).hexdigest()
    )
