"""What of a provider's words must not be shown: secrets that it was sent, and what else looks like a key. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from arawn.errors import BackendError
from arawn.interactions.redact import redact
from arawn.interactions.secret_set import SecretSet

__all__ = ["Masking"]


class Masking:
    """Takes the secrets of one profile out of what its provider says: some servers quote them.

    As in the log, a secret goes in its escaped forms too, and one of fewer than `MIN_SECRET_LENGTH` characters stays: a
    dummy key for a local server may be any word of an answer.
    """

    def __init__(self, secrets: Iterable[str | None]) -> None:
        self._secrets = SecretSet(filter(None, secrets)).forms

    def of_bytes(self, said: bytes) -> bytes:
        """Return `said` with `[key]` for each secret."""
        text = said.decode("utf-8", "surrogateescape")
        masked = self._secrets.replaced(text, lambda _: "[key]")
        return said if masked is text else masked.encode("utf-8", "surrogateescape")

    def of_error(self, error: BackendError) -> None:
        """Do so in the error's message, and take out keys of known shapes: it is shown where no log redacts it."""
        error.user_message, _ = redact(self.of_bytes(error.user_message.encode()).decode())
        error.args = (error.user_message,)
