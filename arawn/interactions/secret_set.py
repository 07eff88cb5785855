"""The secrets that a process knows; more may come while it runs."""

from __future__ import annotations

from collections.abc import Iterable

from arawn.interactions.secret_forms import KnownSecrets

__all__ = ["MIN_SECRET_LENGTH", "SecretSet"]

MIN_SECRET_LENGTH = 8  # shorter "secrets" would blot out ordinary words


class SecretSet:
    """Texts that must not appear. It only grows.

    `forms` is what to search by. When secrets are added it is another object: a text that was clean by the one before
    is to be searched again.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        """Begin with `secrets`; see `add`."""
        self._known: frozenset[str] = frozenset()
        self.forms = KnownSecrets(())
        self.add(secrets)

    def add(self, secrets: Iterable[str]) -> None:
        """Take in `secrets`; those shorter than `MIN_SECRET_LENGTH` are ignored."""
        known = self._known.union(secret for secret in secrets if len(secret) >= MIN_SECRET_LENGTH)
        if known == self._known:
            return
        self._known = known
        self.forms = KnownSecrets(sorted(known, key=lambda secret: (-len(secret), secret)))  # one may contain another
