"""A form with one file in it, read as it comes: the file goes to disk piece by piece, the other fields are small."""

from __future__ import annotations

from dataclasses import dataclass, field

from anyio import to_thread
from python_multipart.exceptions import FormParserError, MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from owngpt.errors import InvalidRequest, RequestError
from owngpt.store.blobs import Staged, Writer

PIECE_BYTES = 1024**2  # written at once
MAX_FIELDS, MAX_FIELD_BYTES, MAX_HEADER_BYTES = 64, 64 * 1024, 4096


@dataclass
class Form:
    """What has come. `staged` are the bytes of the file field, on disk."""

    fields: dict[str, str] = field(default_factory=dict)
    filename: str | None = None
    staged: Staged | None = None


async def read_form(request: Request, file_field: str, writer: Writer) -> Form:
    """Read the whole body. Raises `InvalidRequest`, `PayloadTooLarge`, `ServiceUnavailable`.

    A form that is wrong is refused when it has come to its end: who sends it would not read an answer before.
    """
    refusal: RequestError | None = None
    try:
        reader = _Reader(_boundary(request), file_field)
    except (InvalidRequest, FormParserError) as error:
        await discard(request)
        raise InvalidRequest(str(error), code="invalid_content_type") from None
    async for chunk in request.stream():
        if refusal is None:
            try:
                reader.feed(chunk)
            except InvalidRequest as error:
                refusal = error
            if len(reader.pending) >= PIECE_BYTES:
                await to_thread.run_sync(writer.write, reader.take())
    if refusal is not None:
        raise refusal
    reader.finish()
    await to_thread.run_sync(writer.write, reader.take())
    return Form(reader.fields, reader.filename, await to_thread.run_sync(writer.end))


async def discard(request: Request) -> None:
    """Let the client send to the end, so that it reads the refusal."""
    try:
        async for _ in request.stream():
            pass
    except ClientDisconnect:
        pass


def _boundary(request: Request) -> bytes:
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind != b"multipart/form-data" or not options.get(b"boundary"):
        raise InvalidRequest("The body must be multipart/form-data with a boundary.", code="invalid_content_type")
    return options[b"boundary"]


class _Reader:
    """The parser's callbacks. Bytes of the file wait in `pending` until they are taken."""

    def __init__(self, boundary: bytes, file_field: str) -> None:
        self.fields: dict[str, str] = {}
        self.filename: str | None = None
        self.pending = bytearray()
        self._file_field = file_field
        self._has_file = self._has_ended = False
        self._header: tuple[bytearray, bytearray] = (bytearray(), bytearray())
        self._disposition = b""
        self._name = ""
        self._value = bytearray()
        self._parser = MultipartParser(
            boundary,
            {
                "on_header_field": lambda data, start, end: self._header[0].extend(data[start:end]),
                "on_header_value": lambda data, start, end: self._header[1].extend(data[start:end]),
                "on_header_end": self._end_header,
                "on_headers_finished": self._begin_part,
                "on_part_data": self._add,
                "on_part_end": self._end_part,
                "on_end": self._end,
            },
            max_header_size=MAX_HEADER_BYTES,
        )

    def feed(self, chunk: bytes) -> None:
        """The next piece of the body. Raises `InvalidRequest`."""
        try:
            self._parser.write(chunk)
        except MultipartParseError as error:
            raise InvalidRequest(f"The multipart body cannot be read: {error}") from None

    def take(self) -> bytes:
        """The bytes of the file that have come and were not taken yet."""
        taken, self.pending = bytes(self.pending), bytearray()
        return taken

    def finish(self) -> None:
        """The body has ended. Raises `InvalidRequest` if the form has not, or has no file."""
        if not self._has_ended:
            raise InvalidRequest("The multipart body ends before its last boundary.")
        if not self._has_file:
            name = self._file_field
            raise InvalidRequest(
                f"Missing required parameter: {name!r}.", param=name, code="missing_required_parameter"
            )

    def _end_header(self) -> None:
        if bytes(self._header[0]).lower() == b"content-disposition":
            self._disposition = bytes(self._header[1])
        self._header = (bytearray(), bytearray())

    def _begin_part(self) -> None:
        _, options = parse_options_header(self._disposition)
        self._disposition, self._value = b"", bytearray()
        self._name = options.get(b"name", b"").decode("utf-8", "replace")
        if self._name in self.fields or (self._name == self._file_field and self._has_file):
            raise InvalidRequest(f"The form has {self._name[:60]!r} twice.", param=self._name)
        if self._name == self._file_field:
            self._has_file = True
            filename = options.get(b"filename")
            self.filename = None if filename is None else filename.decode("utf-8", "replace")
        elif len(self.fields) == MAX_FIELDS:
            raise InvalidRequest(f"The form has more than {MAX_FIELDS} fields.")

    def _add(self, data: bytes, start: int, end: int) -> None:
        if self._name == self._file_field:
            self.pending += data[start:end]
        elif len(self._value) + end - start > MAX_FIELD_BYTES:
            raise InvalidRequest(f"{self._name[:60]!r} is over {MAX_FIELD_BYTES} bytes.", param=self._name)
        else:
            self._value += data[start:end]

    def _end_part(self) -> None:
        if self._name != self._file_field:
            self.fields[self._name] = self._value.decode("utf-8", "replace")

    def _end(self) -> None:
        self._has_ended = True
