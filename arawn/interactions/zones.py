"""Time zones: by name, by offset, and that of this machine. Pure but for the system's rules of them."""

from __future__ import annotations

import os
import re
import time
from datetime import MAXYEAR, MINYEAR, UTC, datetime, timedelta, timezone, tzinfo
from typing import overload
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from arawn.config.describe import ticked
from arawn.errors import BadInput

__all__ = ["LocalZone", "shown_time", "zone_of"]

_DAY_S = 86_400
_OFFSET = re.compile(r"([+-])([01]\d|2[0-3]):?([0-5]\d)", re.ASCII)


def zone_of(name: str | None) -> tzinfo:
    """Return the time zone of that name, this machine's own if None.

    Raises:
        BadInput: There is no such zone.
    """
    if name is None:
        return LocalZone()
    if (offset := _OFFSET.fullmatch(name)) is not None:
        ahead = timedelta(hours=int(offset[2]), minutes=int(offset[3]))
        return timezone(ahead if offset[1] == "+" else -ahead)
    try:
        return ZoneInfo("UTC" if name.upper() in ("UTC", "Z") else name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise BadInput(
            f"there is no time zone {ticked(name)}; write it as `Europe/Berlin`, `UTC` or `+02:00`"
        ) from error


def shown_time(moment: datetime, zone: tzinfo) -> str:
    """Return what clocks in `zone` show at `moment`, to the second, as tables have it; errors as for `LocalZone`."""
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M:%S}"


class LocalZone(tzinfo):
    """The zone that `TZ`, or else the system, names: summer and winter have each their own offset.

    `datetime.astimezone()` alone gives a zone with one offset, that of one moment, which is wrong for half the year.
    """

    def fromutc(self, moment: datetime) -> datetime:
        """Return what clocks here show at `moment`, which is read as UTC; errors as for `utcoffset`."""
        _require_less_than_a_day()
        shown = moment.replace(tzinfo=UTC).astimezone()
        first = shown.replace(tzinfo=self)
        return first if first.utcoffset() == shown.utcoffset() else first.replace(fold=1)

    @overload
    def utcoffset(self, moment: datetime, /) -> timedelta: ...
    @overload
    def utcoffset(self, moment: None, /) -> None: ...
    def utcoffset(self, moment: datetime | None, /) -> timedelta | None:
        """Return how far clocks here are ahead of UTC when they show `moment`; for one that they skip, see PEP 495.

        Raises:
            BadInput: `TZ` puts them a day or more from UTC.
        """
        if moment is None:
            return None
        _require_less_than_a_day()
        shown = _read_here(moment)
        return shown.replace(tzinfo=UTC) - datetime.fromtimestamp(shown.timestamp(), UTC)

    def tzname(self, moment: datetime | None, /) -> str | None:
        """Return what the zone is called when clocks here show `moment`, such as `CEST`."""
        return None if moment is None else _read_here(moment).astimezone().tzname()

    def dst(self, moment: datetime | None, /) -> None:
        """Return None: the system says only the whole offset."""


def _require_less_than_a_day() -> None:
    if max(abs(time.timezone), abs(time.altzone)) >= _DAY_S:
        told = ticked(os.environ.get("TZ", ""))
        raise BadInput(f"`TZ` is {told}, a day or more from UTC, which no clock is; set it to less, or give `--tz`")


def _read_here(moment: datetime) -> datetime:
    """Return the time that clocks here show, to the second, in a year of which the system knows all."""
    year = min(max(moment.year, MINYEAR + 1), MAXYEAR - 1)
    return moment.replace(year=year, microsecond=0, tzinfo=None)
