"""Every exception that owngpt raises on purpose.

    OwnGPTError
    ├── RequestError                what a caller sends: has an HTTP status and OpenAI's type, code and param
    │   ├── InvalidRequest          400 invalid_request_error
    │   ├── AuthenticationFailed    401 invalid_request_error, invalid_api_key
    │   ├── PermissionDenied        403 permission_error
    │   ├── NotFound                404 invalid_request_error
    │   │   └── ModelNotFound       404 model_not_found
    │   ├── MethodNotAllowed        405 invalid_request_error
    │   ├── RequestTimeout          408 invalid_request_error: the client is too slow
    │   ├── Conflict                409 invalid_request_error
    │   ├── PayloadTooLarge         413 invalid_request_error
    │   ├── ConnectorFailed         424 external_connector_error: a server that the request names is of no use
    │   ├── HeadTooLarge            431 invalid_request_error
    │   ├── Overloaded              429 rate_limit_exceeded, with Retry-After
    │   │   ├── RateLimitReached    429 rate_limit_exceeded: of the project's own limits, of its type
    │   │   │   ├── RequestLimitReached     requests
    │   │   │   └── TokenLimitReached       tokens
    │   │   └── ResourceUnavailable 429 resource_unavailable: not within the time that it has
    │   ├── InsufficientQuota       429 insufficient_quota: the month's budget is spent
    │   ├── ServiceUnavailable      503 server_error: starting or draining
    │   ├── PrivacyError            500 server_error, privacy_failed: personal data could not be looked for
    │   └── EngineFailed            500 server_error: the engine could not finish this request
    └── SetupError                  what the operator's machine lacks: the command line prints it and exits 2
        ├── ConfigError             a setting, by name
        ├── CheckpointError         a model folder that cannot be read
        └── DownloadError           a model that cannot be fetched

A message says what, the value, and what to do: "prompt has 5210 tokens; this model takes 4096".
"""

from __future__ import annotations

import math
from typing import ClassVar


class OwnGPTError(Exception):
    """The root: catch it to catch all of owngpt's own errors."""


class RequestError(OwnGPTError):
    """A request that cannot be answered as sent."""

    status: ClassVar[int] = 400
    type: ClassVar[str] = "invalid_request_error"
    default_code: ClassVar[str | None] = None

    def __init__(self, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code if code is not None else self.default_code

    @property
    def headers(self) -> dict[str, str]:
        """Extra response headers."""
        return {}


class InvalidRequest(RequestError):
    """A field is missing, malformed, out of range, or cannot be honoured."""


class AuthenticationFailed(RequestError):
    """No key, or one that is not known."""

    status = 401
    default_code = "invalid_api_key"

    @property
    def headers(self) -> dict[str, str]:
        return {"www-authenticate": "Bearer"}


class PermissionDenied(RequestError):
    """The key is known, and may not do this."""

    status = 403
    type = "permission_error"


class NotFound(RequestError):
    """No such URL or object."""

    status = 404


class ModelNotFound(NotFound):
    """No model of that name is served here."""

    default_code = "model_not_found"


class MethodNotAllowed(RequestError):
    """The URL exists, the method does not."""

    status = 405


class RequestTimeout(RequestError):
    """The rest of the request does not come."""

    status = 408


class Conflict(RequestError):
    """The object is not in a state that allows this."""

    status = 409


class PayloadTooLarge(RequestError):
    """The body is over the limit."""

    status = 413


class ConnectorFailed(RequestError):
    """A server that the request itself names cannot be used. Clients do not send such a request again by themselves."""

    status = 424
    type = "external_connector_error"
    default_code = "http_error"


class HeadTooLarge(RequestError):
    """The headers are over the limit."""

    status = 431


class Overloaded(RequestError):
    """The queue is full. `retry_after` is in seconds."""

    status = 429
    type = "rate_limit_error"
    default_code = "rate_limit_exceeded"

    def __init__(self, message: str, *, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after

    @property
    def headers(self) -> dict[str, str]:
        return {"retry-after": str(max(1, math.ceil(self.retry_after)))}


class RateLimitReached(Overloaded):
    """A limit of the caller's project. A `retry_after` of infinity: sent as it is, it never fits."""

    @property
    def headers(self) -> dict[str, str]:
        if math.isinf(self.retry_after):
            return {"x-should-retry": "false"}
        return {**super().headers, "retry-after-ms": str(math.ceil(self.retry_after * 1000))}


class RequestLimitReached(RateLimitReached):
    """Too many requests."""

    type = "requests"


class TokenLimitReached(RateLimitReached):
    """Too many tokens."""

    type = "tokens"


class ResourceUnavailable(Overloaded):
    """There is no capacity for this request in time, or for work that only takes what is spare."""

    default_code = "resource_unavailable"


class InsufficientQuota(RequestError):
    """The budget is spent; trying again does not help."""

    status = 429
    type = "insufficient_quota"
    default_code = "insufficient_quota"

    @property
    def headers(self) -> dict[str, str]:
        return {"x-should-retry": "false"}


class ServiceUnavailable(RequestError):
    """The server is starting, or draining before it stops."""

    status = 503
    type = "server_error"

    @property
    def headers(self) -> dict[str, str]:
        return {"retry-after": "1"}


class PrivacyError(RequestError):
    """Personal data could not be looked for, so nothing goes on. Its message says nothing of the content."""

    status = 500
    type = "server_error"
    default_code = "privacy_failed"

    def __init__(
        self,
        message: str = "Personal data could not be looked for, so this request was not processed any further. It can "
        "be sent again; the server's log says what failed.",
    ) -> None:
        super().__init__(message)


class EngineFailed(RequestError):
    """The engine could not finish this request; it is not the caller's fault."""

    status = 500
    type = "server_error"


class SetupError(OwnGPTError):
    """Something on the operator's side: the command line prints the message and exits with 2."""


class ConfigError(SetupError):
    """A setting is unknown or has a value that cannot be used."""


class CheckpointError(SetupError):
    """A model folder is incomplete, broken, or of an architecture that is not supported."""


class DownloadError(SetupError):
    """A model could not be fetched."""
