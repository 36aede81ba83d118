"""Time zones by name, and when their offset changes.

The rules come from the package `tzdata` alone. `ZoneInfo(name)` would prefer the machine's own database, and that
matters: workers on machines with databases of different age would disagree on who is at work, slim containers have
none, and a name such as `localtime` means something else on each. The price: a change of the law reaches an
installation with a newer `tzdata`, not with an update of its system.
"""

from bisect import bisect_left
from datetime import datetime, timedelta
from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo

STEP = timedelta(days=1)
"""No zone has ever changed its offset twice within so short a time; a week is the shortest that the database has."""
SECOND = timedelta(seconds=1)


@cache
def zone_names() -> frozenset[str]:
    """The names of all zones."""
    return frozenset(files("tzdata").joinpath("zones").read_text(encoding="utf-8").split())


@cache
def zone_named(name: str) -> ZoneInfo:
    """Returns the zone; raises LookupError if there is none of that name."""
    if name not in zone_names():
        raise LookupError(f"There is no time zone {name!r}.")
    with files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


def next_offset_change(zone: ZoneInfo, after: datetime, until: datetime) -> datetime | None:
    """The first moment after `after`, up to `until`, from which the zone has another offset; None if there is none."""
    lower = after.replace(microsecond=0)
    offset = lower.astimezone(zone).utcoffset()

    def has_changed(seconds: int) -> bool:
        return (lower + timedelta(seconds=seconds)).astimezone(zone).utcoffset() != offset

    while lower < until:
        length = min(STEP, until - lower) // SECOND
        if has_changed(length):
            return lower + timedelta(seconds=bisect_left(range(length), True, key=has_changed))
        lower += STEP
    return None
