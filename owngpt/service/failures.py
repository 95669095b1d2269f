"""What to tell a client of an exception that nobody expected, and what to log of it."""

from __future__ import annotations

import logging

from owngpt.errors import EngineFailed, RequestError

logger = logging.getLogger(__name__)


def as_request_error(error: Exception, request_id: str) -> RequestError:
    """What to tell the client. What we did not foresee is logged with its traceback, and never shown."""
    if isinstance(error, RequestError):
        if isinstance(error, EngineFailed):
            logger.error("%s: the engine failed: %s", request_id, error)
        return error
    logger.error("%s: unexpected %s", request_id, type(error).__name__, exc_info=error)
    return EngineFailed(f"The server had an error while processing your request. Its id is {request_id}.")
