"""The console's own files, read once: besides the probes the only thing that needs no key, for it holds no data.

The pages may run nothing but these files: no inline script, no other origin, no frame around them.
"""

from __future__ import annotations

import hashlib
import mimetypes
from collections.abc import Awaitable, Callable
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

FOLDER = Path(__file__).parent.parent / "web"
POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data: blob:",  # blob: pages of documents, which are fetched with the key
    "font-src": "'self'",
    "connect-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
}
HEADERS = {
    "content-security-policy": "; ".join(f"{name} {value}" for name, value in POLICY.items()),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-cache",  # a browser keeps the file, and asks whether it still holds
}
_KINDS = {
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".woff2": "font/woff2",
    ".webmanifest": "application/manifest+json",
}


def _paths(folder: Path) -> dict[str, Path]:
    """URL path -> file."""
    files = sorted(file for file in folder.rglob("*") if file.is_file() and not file.name.startswith("."))
    paths = {f"/{file.relative_to(folder).as_posix()}": file for file in files}
    return {"/": paths["/index.html"], **paths} if "/index.html" in paths else paths


PATHS = _paths(FOLDER)


def console_routes() -> list[Route]:
    """One route per file."""
    return [Route(path, _serve(file), methods=["GET"]) for path, file in PATHS.items()]


def _serve(file: Path) -> Callable[[Request], Awaitable[Response]]:
    body = file.read_bytes()
    headers = {**HEADERS, "etag": f'"{hashlib.sha256(body).hexdigest()[:32]}"'}
    kind = _KINDS.get(file.suffix) or mimetypes.guess_type(file.name)[0] or "text/plain"

    async def serve(request: Request) -> Response:
        if request.headers.get("if-none-match") == headers["etag"]:
            return Response(status_code=304, headers=headers)
        return Response(body, headers=headers, media_type=kind)

    return serve
