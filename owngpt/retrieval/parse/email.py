"""E-mail: the headers that people read, the body, and each attachment under its name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser

from owngpt.retrieval.document import Document, DocumentBuilder, DocumentError
from owngpt.retrieval.parse.encoding import decode
from owngpt.retrieval.parse.html import parse_html
from owngpt.retrieval.parse.text import parse_text

_HEADERS = ("From", "To", "Cc", "Date", "Subject")
_MAX_PARTS = 1_000

Attach = Callable[[DocumentBuilder, str, bytes], None]  # adds one attachment to what is being built


def parse_email(data: bytes, attach: Attach) -> Document:
    """The title is the subject. Of alternatives the plain text is taken, and HTML where there is no other."""
    message = BytesParser(_class=EmailMessage, policy=policy.default).parsebytes(data)
    builder = DocumentBuilder(_header(message, "Subject") or None)
    named = [f"{name}: {value}" for name in _HEADERS if (value := _header(message, name))]
    builder.add("\n".join(named))
    for number, part in enumerate(_parts(message)):
        if number >= _MAX_PARTS:
            raise DocumentError(f"the message has more than {_MAX_PARTS} parts; save its attachments and send them")
        _add(builder, part, attach)
    return builder.build()


def _parts(message: EmailMessage) -> Iterator[EmailMessage]:
    """The parts that say something, in order; of alternatives only one."""
    waiting = [message]
    while waiting:
        part = waiting.pop()
        children = [child for child in _children(part) if isinstance(child, EmailMessage)]
        if part.get_content_type() == "multipart/alternative":
            plain = [
                child for child in children if child.get_content_type() == "text/plain" and _payload(child).strip()
            ]
            waiting += plain[:1] or children[-1:]
        elif part.get_content_maintype() == "multipart":
            waiting += reversed(children)
        else:
            yield part


def _children(part: EmailMessage) -> list[object]:
    payload = part.get_payload()
    return list(payload) if isinstance(payload, list) else []


def _add(builder: DocumentBuilder, part: EmailMessage, attach: Attach) -> None:
    kind, name = part.get_content_type(), part.get_filename()
    if kind == "message/rfc822":
        inner = next(iter(_children(part)), None)
        if isinstance(inner, EmailMessage):
            attach(builder, name or f"{_header(inner, 'Subject') or 'message'}.eml", inner.as_bytes())
    elif name is None and kind in ("text/plain", "text/html"):
        text, notes = decode(_payload(part), part.get_content_charset())
        builder.notes += notes
        if text.strip():
            _extend(builder, text, kind)
    elif name is not None and (data := _payload(part)):
        attach(builder, name, data)


def _extend(builder: DocumentBuilder, text: str, kind: str) -> None:
    try:
        builder.extend(parse_html(text) if kind == "text/html" else parse_text(text))
    except DocumentError as error:  # a part without text is no reason to refuse the message
        builder.notes.append(error.message)


def _payload(part: EmailMessage) -> bytes:
    data = part.get_payload(decode=True)
    return data if isinstance(data, bytes) else b""


def _header(message: EmailMessage, name: str) -> str:
    """Decoded, on one line; nothing if it is missing or cannot be read."""
    try:
        value = message.get(name)
    except (ValueError, IndexError, AttributeError, TypeError):  # the library fails at some broken headers
        return ""
    return " ".join(str(value).split()) if value is not None else ""
