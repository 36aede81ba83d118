"""Operators' working hours: pure functions over a schedule and a moment; no clock, and no I/O but reading zone rules.

hours        the intervals of a day, and the exceptions for dates
schedule     working hours in a time zone
parse        a schedule from JSON, with every fault by field
serialize    a schedule as JSON
zones        time zones by name, and when their offset changes
local_hours  which times on the wall are within the hours, in whatever zone
opening      whether it is open at a moment, and when that changes
"""

from distribution.schedules.opening import is_open, next_change, open_intervals
from distribution.schedules.parse import parse
from distribution.schedules.schedule import Schedule
from distribution.schedules.serialize import serialize

__all__ = ["Schedule", "is_open", "next_change", "open_intervals", "parse", "serialize"]
