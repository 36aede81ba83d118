"""What a bot is shown of a contact: the outcome, and of the lead and the payload only what it sent itself.

Otherwise a bot that guesses an `external_id` would learn the phone and the e-mail that others sent for it.
"""

from dataclasses import replace

from distribution.admin.contacts import ContactDetails
from distribution.events import Change
from distribution.messages import Submission

NO_PAYLOAD = "null"


def event_for(change: Change, sent: Submission | None) -> Change:
    """The event as the sender of this submission gets it; `sent` is None if the message was not a submission."""
    phone, email = _disclosed(change.lead["phone"], change.lead["email"], sent)
    payload = change.payload if sent else NO_PAYLOAD
    if (phone, email, payload) == (change.lead["phone"], change.lead["email"], change.payload):
        return change
    return replace(change, lead=change.lead | {"phone": phone, "email": email}, payload=payload)


def contact_for(shown: ContactDetails, sent: Submission | None) -> ContactDetails:
    """The contact as the sender of this submission may see it."""
    phone, email = _disclosed(shown.lead.phone, shown.lead.email, sent)
    return replace(
        shown,
        lead=replace(shown.lead, phone=phone, email=email),
        contact=replace(shown.contact, payload=sent.payload if sent else NO_PAYLOAD),
    )


def _disclosed(phone: str | None, email: str | None, sent: Submission | None) -> tuple[str | None, str | None]:
    if sent is None:
        return None, None
    return phone if phone == sent.phone else None, email if email == sent.email else None
