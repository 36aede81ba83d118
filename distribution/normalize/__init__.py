"""The one spelling of a phone number and of an e-mail address, by which the same one is found however it was written.

It is for finding alone: what was sent is stored and shown as it was sent.
"""

from distribution.normalize.emails import email, email_spellings
from distribution.normalize.phones import is_region, phone, phone_spellings

RULE = 2
"""Which rule spells them: raise it with every change of a spelling, and the leads of another are spelled anew."""

__all__ = ["RULE", "email", "email_spellings", "is_region", "phone", "phone_spellings"]
