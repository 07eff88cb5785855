"""Secrets in what a provider says."""

from __future__ import annotations

from arawn.backends.masking import Masking


def test_a_secret_that_holds_another_goes_as_a_whole() -> None:
    """Nothing of the longer one is left, whichever comes first."""
    for secrets in (("key-abcdef", "key-abcdef-and-more"), ("key-abcdef-and-more", "key-abcdef")):
        said = Masking(secrets).of_bytes(b"not key-abcdef-and-more, nor key-abcdef")

        assert said == b"not [key], nor [key]"
