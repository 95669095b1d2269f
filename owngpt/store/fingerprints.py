"""Whether this server has the secrets that the others of its database have.

What one server seals, each of them has to open: thinking that clients carry, stored personal data, the requests of
background responses. The database knows a keyed hash of the secret, from which nobody gets it back.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from pathlib import Path

from owngpt.errors import ConfigError
from owngpt.store.db import Database

_PURPOSE = b"owngpt fingerprint of a secret"


def check_shared_secret(db: Database, file: Path, secret: bytes, where: str) -> None:
    """The first server leaves its fingerprint; raises `ConfigError` if this one has another secret. `where` is the
    database, for the message.
    """
    fingerprint = hmac.digest(secret, _PURPOSE, hashlib.sha256).hex()
    with db.write() as transaction:
        transaction.execute(
            "INSERT INTO secret_fingerprints (name, fingerprint, created_at) VALUES (?, ?, ?)"
            " ON CONFLICT (name) DO NOTHING",
            (file.name, fingerprint, int(time.time())),
        )
        rows = transaction.execute("SELECT fingerprint FROM secret_fingerprints WHERE name = ?", (file.name,))
    if rows[0]["fingerprint"] != fingerprint:
        raise ConfigError(
            f"{file} is not the {file.name} that other servers of {where} use, so what they have sealed could not be "
            f"opened here. Copy {file.name} from the data folder of one of them to {file}, readable for its owner "
            "only. If theirs is lost for good, so is what was sealed with it; to begin anew with this one, run on the "
            f"database: DELETE FROM secret_fingerprints WHERE name = '{file.name}'"
        )
