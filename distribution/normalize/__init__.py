"""Normalizes phone numbers and e-mail addresses, so that the same one is found however it was written.

Only for lookups: what was sent is stored and shown unchanged.
"""

from distribution.normalize.emails import email, email_spellings
from distribution.normalize.phones import is_region, phone, phone_spellings

RULE = 2
"""The version of the rule: raise it with every change, and stored leads of other versions are normalized again."""

__all__ = ["RULE", "email", "email_spellings", "is_region", "phone", "phone_spellings"]
