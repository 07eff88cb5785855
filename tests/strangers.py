"""Files of somebody else: root gives them away, anybody else becomes somebody else than their owner."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

OTHER = 4_000_000_000
CALLED = f"the user with the number {OTHER}"


def give_away(path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Have `path` belong to another user than this process seems to have; return how that one is called."""
    if os.geteuid() == 0:
        os.chown(path, OTHER, OTHER, follow_symlinks=False)
        return CALLED
    monkeypatch.setattr(os, "geteuid", lambda: OTHER)
    return f"user `{pwd.getpwuid(path.lstat().st_uid).pw_name}`"
