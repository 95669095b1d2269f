"""Privacy: which policy a project has, and the guard that carries it out on every path.

guard = app.privacy.guard(caller)          # None: the policy is off
body = guard.mask_body(body)               # before anything else reads it
reader = guarded(guard, reader, ...)       # on the way back
"""

from __future__ import annotations

from owngpt.service.privacy.guard import Guard
from owngpt.service.privacy.output import OutputStream
from owngpt.service.privacy.policy import Policy
from owngpt.service.privacy.privacy import Privacy

__all__ = ["Guard", "OutputStream", "Policy", "Privacy"]
