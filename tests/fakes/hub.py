"""A Hugging Face Hub in small: enough of its HTTP API for the client to list and fetch one model."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "a" * 40


@dataclass
class FakeHub:
    """The model `org/model`, and how the server misbehaves. `fetched` are the file requests that were answered."""

    files: dict[str, bytes]
    token: str | None = None  # a private model: this token is asked for
    is_gated: bool = False
    failing: set[str] = field(default_factory=set)  # files that answer 500
    cut_once: dict[str, int] = field(default_factory=dict)  # file -> bytes after which the connection breaks, once
    fetched: list[tuple[str, str | None]] = field(default_factory=list)  # file, Range header
    url: str = ""

    @contextmanager
    def serve(self) -> Iterator[FakeHub]:
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        self.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield self
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


def _handler(hub: FakeHub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: object) -> None:
            """Silence."""

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if not path.startswith(("/api/models/org/model", "/org/model/")):
                self.refuse(404, "RepoNotFound", "Repository not found")
            elif self.is_unauthorized():
                self.refuse(401, None, "Invalid credentials in Authorization header")
            elif path.startswith("/api/"):
                self.answer_api(path)
            elif hub.is_gated:
                self.refuse(403, "GatedRepo", "Access to model org/model is restricted")
            else:
                self.answer_file(path.split("/", 5)[-1])

        def is_unauthorized(self) -> bool:
            return hub.token is not None and self.headers["Authorization"] != f"Bearer {hub.token}"

        def refuse(self, status: int, code: str | None, message: str) -> None:
            headers = {"X-Error-Message": message} | ({"X-Error-Code": code} if code else {})
            self.send(status, json.dumps({"error": message}).encode(), headers)

        def answer_api(self, path: str) -> None:
            kind, _, revision = path.removeprefix("/api/models/org/model/").partition("/")
            if revision not in ("main", "v1", COMMIT):
                self.refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
            elif kind == "tree":
                entries = [
                    {"type": "file", "path": name, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
                    for name, data in hub.files.items()
                ]
                self.send(200, json.dumps(entries).encode(), {"Content-Type": "application/json"})
            else:
                info = {"id": "org/model", "sha": COMMIT, "siblings": [{"rfilename": name} for name in hub.files]}
                self.send(200, json.dumps(info).encode(), {"Content-Type": "application/json"})

        def answer_file(self, name: str) -> None:
            if name not in hub.files:
                self.refuse(404, "EntryNotFound", "Entry not found")
            elif name in hub.failing and self.command == "GET":
                self.refuse(500, None, "broken")
            else:
                self.send_file(name, hub.files[name], self.headers["Range"])

        def send_file(self, name: str, data: bytes, range_header: str | None) -> None:
            start = int(range_header.removeprefix("bytes=").partition("-")[0]) if range_header else 0
            headers = {
                "ETag": f'"{hashlib.sha1(data).hexdigest()}"',
                "X-Repo-Commit": COMMIT,
                "Accept-Ranges": "bytes",
            }
            if range_header:
                headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
            cut = None
            if self.command == "GET":
                hub.fetched.append((name, range_header))
                cut = hub.cut_once.pop(name, None)
            self.send(206 if range_header else 200, data[start:], headers, cut)

        def send(self, status: int, body: bytes, headers: dict[str, str], cut: int | None = None) -> None:
            self.send_response(status)
            for key, value in headers.items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body[:cut])
            if cut is not None:
                self.close_connection = True

    return Handler
