"""What `repair` will do of each damage is what it does, and what it says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from arawn.interactions.filesystem import Filesystem
from arawn.interactions.lock_file import note_unwritten
from tests.arawn.cli.conftest import Command
from tests.arawn.cli.place import Place
from tests.arawn.interactions.mending_logs import FIRST, SECOND, seal, written_log


def _torn_day(log: Path) -> None:
    (log / SECOND).write_bytes((log / SECOND).read_bytes()[:-7])


def _misnamed_day(log: Path) -> None:
    (log / "interactions-2026-02-30.jsonl").touch(0o600)


def _linked_day(log: Path) -> None:
    (log / "interactions-2026-01-20.jsonl").symlink_to(log / FIRST)


def _renamed_day(log: Path) -> None:
    (log / FIRST).rename(log / "interactions-2026-02-20.jsonl")


def _lost_line(log: Path) -> None:
    (log / FIRST).write_bytes(b"".join((log / FIRST).read_bytes().splitlines(keepends=True)[1:]))


def _lost_manifest(log: Path) -> None:
    seal(log, FIRST)
    next(log.glob("*.manifest.json")).unlink()


def _orphan(log: Path) -> None:
    seal(log, FIRST)
    (log / f"{FIRST}.zst").unlink()


def _flipped_frame(log: Path) -> None:
    seal(log, FIRST, frame_bytes=2_000)
    data = bytearray((log / f"{FIRST}.zst").read_bytes())
    data[len(data) // 2] ^= 0xFF
    (log / f"{FIRST}.zst").write_bytes(data)


def _cut_beside_an_unread_line(log: Path) -> None:
    seal(log, FIRST, frame_bytes=2_000)
    (log / f"{FIRST}.zst").write_bytes((log / f"{FIRST}.zst").read_bytes()[:-3_000])
    (log / SECOND).write_bytes((log / SECOND).read_bytes() + b'{"kind":"mystery","v":1}\n')


def _wide(log: Path) -> None:
    (log / FIRST).chmod(0o644)
    log.chmod(0o755)


DAMAGES = [
    _torn_day,
    _misnamed_day,
    _linked_day,
    _renamed_day,
    _lost_line,
    _lost_manifest,
    _orphan,
    _flipped_frame,
    _cut_beside_an_unread_line,
    _wide,
]


def _several(log: Path) -> None:
    for damage in DAMAGES[:4]:
        damage(log)


@pytest.mark.parametrize("damage", [*DAMAGES, _several], ids=lambda damage: damage.__name__.strip("_"))
def test_a_dry_run_of_repair_has_the_verdict_of_the_work(
    command: Command, place: Place, damage: Callable[[Path], None]
) -> None:
    """The same exit code, and the same problems that remain; `verify` promises no more."""
    written_log(place.log)
    damage(place.log)

    checked = command("interactions", "verify").out
    planned = command("interactions", "repair", "--dry-run")
    as_json = command("interactions", "repair", "--dry-run", "--json")
    done = command("interactions", "repair")

    remaining = [line.partition(": ")[2] for line in planned.out.splitlines() if line.startswith("would stay wrong: ")]
    assert (planned.code, as_json.code) == (done.code, done.code)
    assert remaining == json.loads(as_json.out)["left"]
    assert remaining == [line.partition(": ")[2] for line in done.out.splitlines() if line.startswith("still wrong: ")]
    assert bool(remaining) == bool(done.code)
    mends = [line for line in planned.out.splitlines() if not line.startswith("would stay wrong: ")]
    assert ("`arawn interactions repair` mends" in checked) == bool(mends)


def test_a_manifest_is_made_anew_or_set_aside(command: Command, place: Place) -> None:
    """`repair` says which of the two."""
    written_log(place.log)
    _lost_manifest(place.log)
    anew = command("interactions", "repair").out
    (place.log / f"{FIRST}.zst").unlink()
    aside = command("interactions", "repair").out

    assert anew == "interactions-2026-01-28.manifest.json: written anew\n"
    assert "interactions-2026-01-28.manifest.json: set aside, since the file that it describes is gone\n" in aside


def test_repair_says_what_its_opening_of_the_log_declared_lost(command: Command, place: Place) -> None:
    """Records that a writer noted as never written; the next one declares them, which `repair` is."""
    written_log(place.log)
    note_unwritten(Filesystem(), place.log, 26, "No space left on device")
    planned = command("interactions", "repair", "--dry-run")
    done = command("interactions", "repair")
    checked = command("interactions", "verify")
    note_unwritten(Filesystem(), place.log, 1, "No space left on device")
    as_json = command("interactions", "repair", "--json")

    assert "26 records never written" in planned.out
    assert done.out == "lost, and declared so: 26 records that the last writer never wrote\n"
    assert json.loads(as_json.out)["unwritten"] == 1
    assert checked.code == 0
