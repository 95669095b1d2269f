"""Which policy holds for whom, and the guards that carry it out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

from anyio import to_thread

from owngpt.config import Settings
from owngpt.errors import InvalidRequest, PrivacyError
from owngpt.service.privacy.finder import Finder
from owngpt.service.privacy.guard import Guard
from owngpt.service.privacy.policy import Action, Policy
from owngpt.service.privacy.vault import Vault
from owngpt.service.responses.seal import Seal
from owngpt.store import privacy as store
from owngpt.store.cache import TimedCache
from owngpt.store.db import Database, Transaction
from owngpt.store.reading import Read
from owngpt.trust.pii import Detector
from owngpt.types import SamplingParams

if TYPE_CHECKING:
    from owngpt.service.app import Caller

_CACHE_SECONDS = 2.0  # so long another process may go on with a policy that has been changed
_KIND = "privacy vault"
OFF = Policy()


class Privacy:
    """The policies of all projects. A project without one of its own has the server's (`default`)."""

    def __init__(
        self,
        database: Database,
        data_dir: Path,
        default: Policy = OFF,
        detector: Detector | None = None,
        seconds: float = 20.0,
    ) -> None:
        self._db, self._data_dir, self._default = database, data_dir, default
        self._detector, self._seconds = detector or Detector(), seconds
        self._cache: TimedCache[str, Policy] = TimedCache(_CACHE_SECONDS, max_size=4096)

    @classmethod
    def of(cls, database: Database, settings: Settings) -> Privacy:
        """As the settings say."""
        config = settings.privacy
        default = Policy(cast(Action, config.pii), config.pii_threshold, config.pii_restore)
        return cls(database, settings.data_dir, default, seconds=config.pii_seconds)

    def policy(self, project_id: str) -> Policy:
        """What holds for a project. Reads the database when the cache does not know."""

        known = self._cache.get(project_id) or self._cache.fill(
            project_id, lambda: self.policy_in(self._db.read, project_id)[0]
        )
        assert known is not None
        return known

    def policy_in(self, read: Read, project_id: str) -> tuple[Policy, bool]:
        """What the database says, and whether that is the server's default."""
        text = store.policy(read, project_id)
        return (self._default, True) if text is None else (Policy.read(text), False)

    def set_policy(self, transaction: Transaction, project_id: str, policy: Policy | None) -> None:
        """From now on; None: the server's. Call `forget` when the transaction has ended."""
        store.set_policy(transaction, project_id, None if policy is None else policy.write())

    def forget(self) -> None:
        """Policies have changed: read every one anew. (Other processes know of it within two seconds.)"""
        self._cache.clear()

    def guard(self, caller: Caller, owner_id: str | None = None) -> Guard | None:
        """A guard for one request; None where the policy is off.

        With an `owner_id` (of a stored response or conversation) it knows the placeholders that were given there.
        """
        return self.guard_of(caller.project_id, self._vault(caller, owner_id) if owner_id is not None else None)

    def guard_of(self, project_id: str, vault: Vault | None = None) -> Guard | None:
        """The same for work that is nobody's request."""
        policy = self.policy(project_id)
        return Guard(Finder(policy, self._detector, self._seconds), vault) if policy.is_on else None

    def restorer(self, caller: Caller, owner_id: str) -> Guard | None:
        """A guard that knows what the placeholders in a stored response or conversation stand for.

        None where none was given, so that nothing stands in it to be restored. The policy may be off by now.
        """
        vault = self._vault(caller, owner_id)
        finder = Finder(self.policy(caller.project_id), self._detector, self._seconds)
        return Guard(finder, vault) if len(vault) else None

    async def open(self, caller: Caller, owner_id: str | None = None) -> Guard | None:
        """The same, for the event loop: the database is read in a thread."""
        if owner_id is None and self._cache.get(caller.project_id) is not None:
            return self.guard(caller)
        return await to_thread.run_sync(self.guard, caller, owner_id)

    def check(self, caller: Caller, guard: Guard | None, sampling: SamplingParams | None = None) -> None:
        """Whatever goes to a model passes here: the way is closed to what has passed no guard and should have.

        Raises `PrivacyError`; `InvalidRequest` for log-probabilities, which show tokens that nobody has looked through.
        """
        has_logprobs = sampling is not None and (sampling.logprobs, sampling.prompt_logprobs) != (None, None)
        if guard is not None and has_logprobs:
            raise InvalidRequest(
                "Unsupported parameter: 'logprobs' shows tokens before personal data in them can be masked, which the "
                "privacy policy of this project forbids. Leave it out.",
                param="logprobs",
                code="unsupported_parameter",
            )
        if guard is None and self.policy(caller.project_id).is_on:
            raise PrivacyError(
                "This request came by a way on which personal data is not looked for, but the privacy policy of its "
                "project demands that. Nothing of it was sent to the model."
            )

    def keep(self, transaction: Transaction, caller: Caller, owner_id: str, guard: Guard) -> None:
        """Keep the placeholders of a response or conversation with it, sealed, so that its values can be restored."""
        if len(guard.vault) and not caller.keeps_nothing:
            sealed = Seal(self._data_dir, caller.project_id).close(guard.vault.write(), _KIND)
            store.keep_vault(transaction, caller.project_id, owner_id, sealed)

    def drop(self, transaction: Transaction, caller: Caller, owner_id: str) -> None:
        """Delete what `keep` kept."""
        store.delete_vault(transaction, caller.project_id, owner_id)

    def _vault(self, caller: Caller, owner_id: str | None) -> Vault:
        sealed = None if owner_id is None else store.vault(self._db.read, caller.project_id, owner_id)
        if sealed is None:
            return Vault()
        return Vault.read(Seal(self._data_dir, caller.project_id).open(sealed, _KIND))
