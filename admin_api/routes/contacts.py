"""Contacts."""

from collections.abc import Mapping
from dataclasses import replace
from random import Random
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.datastructures import Headers

from admin_api.http.app_context import Context
from admin_api.http.assign_after_change import assign_waiting_after, change_and_assign
from admin_api.http.auth import ADMINS, READERS, SUBMITTERS, authorize_source
from admin_api.http.cursor import uuid_after
from admin_api.http.etag import tagged
from admin_api.http.operation import PREFIX, ApiRequest, ApiResponse, Operation, uuid_key
from admin_api.http.problems import invalid
from admin_api.models.common import PageShape, page_shape
from admin_api.models.contacts import (
    ContactAssignment,
    ContactClosed,
    ContactClosing,
    ContactInFull,
    ContactsQuery,
    ContactWithNames,
    ListedContactShape,
    NewContact,
    contact_in_full,
    contact_with_names,
    listed_shape,
)
from distribution.admin import contacts
from distribution.admin.contact_history import history
from distribution.admin.contacts import ContactDetails, ContactFilter
from distribution.errors import MessageRejected
from distribution.intake.disclosure import contact_for
from distribution.intake.submit import submit
from distribution.messages import Incoming, Submission, read_submission, submission, unquoted

PATH = f"{PREFIX}/contacts"
ONE = f"{PATH}/{{id}}"
KEY = uuid_key("contact")
KEY_HEADER = "Idempotency-Key"


async def submit_contact(call: ApiRequest[None, bytes]) -> ApiResponse:
    """Submit a contact: 201 if it is new, 200 if the key was used before with the same body.

    200 too if the source's `dedupe_window` makes it the same contact as one with another key. CloudEvents of the type
    `contact.submit` are taken as well, structured and binary: their `source` and `id` are the key. A bot reads
    nothing: of the lead it gets the phone and the e-mail only if they are what it sent.
    """
    requested, database = _submission(call), call.context.database
    shown, is_new, unserved = await database.run(lambda conn: _submit(conn, requested, database.random))
    await assign_waiting_after(call.context, unserved)
    headers = {"Location": f"{PATH}/{shown.contact.id}", **_tagged(shown)}
    shown = shown if _may_read(call) else contact_for(shown, requested)
    return ApiResponse(201 if is_new else 200, contact_with_names(shown), headers)


async def list_contacts(call: ApiRequest[None, None, ContactsQuery]) -> ApiResponse:
    """Contacts, the newest first; payloads beyond a total of 1 MiB are omitted."""
    criteria = ContactFilter(**call.query.model_dump(exclude={"limit", "cursor"}))
    async with call.context.database.reading() as conn:
        page = await contacts.page(conn, criteria, uuid_after(call.query.cursor), call.query.limit)
    return ApiResponse(200, page_shape(page, listed_shape))


async def show_contact(call: ApiRequest[UUID]) -> ApiResponse:
    """One contact, its history and the reason for each decision."""
    return await _full_response(call.context, call.key)


async def close_contact(call: ApiRequest[UUID, ContactClosing]) -> ApiResponse:
    """Close a contact, and give its place to the oldest waiting contact; a closed contact stays unchanged.

    A bot reads nothing: it gets the contact without its history, its payload, and the lead's phone and e-mail.
    """
    random, edit, reason = call.context.database.random, call.edit(), call.body.reason
    sources = call.identity.sources if call.identity else None
    await change_and_assign(call.context, lambda conn: contacts.close(conn, random, call.key, reason, edit, sources))
    if _may_read(call):
        return await _full_response(call.context, call.key)
    async with call.context.database.reading() as conn:
        shown = await contacts.show(conn, call.key)
    return ApiResponse(200, contact_with_names(contact_for(shown, None)), _tagged(shown))


async def assign_contact(call: ApiRequest[UUID, ContactAssignment]) -> ApiResponse:
    """Assign a contact to an operator by hand, and its former place to the oldest waiting contact.

    At the operator's limit only with `force`, which is the one way over it.
    """
    body, random, edit = call.body, call.context.database.random, call.edit()
    await change_and_assign(
        call.context, lambda conn: contacts.assign(conn, random, call.key, body.operator_id, edit, force=body.force)
    )
    return await _full_response(call.context, call.key)


async def _full_response(context: Context, contact_id: UUID) -> ApiResponse:
    async with context.database.reading() as conn:
        shown = await contacts.show(conn, contact_id)
        entries, waiting_for = await history(conn, contact_id), await contacts.waiting_for(conn, shown.contact)
    return ApiResponse(200, contact_in_full(shown, entries, waiting_for), _tagged(shown))


def _may_read(call: ApiRequest[Any, Any, Any]) -> bool:
    return call.identity is not None and call.identity.role in READERS


def _tagged(shown: ContactDetails) -> Mapping[str, str]:
    return tagged(contacts.version(shown.contact))


async def _submit(
    conn: AsyncConnection, requested: Submission, random: Random
) -> tuple[ContactDetails, bool, frozenset[int]]:
    result = await submit(conn, [requested], random)
    [outcome] = result.outcomes
    if isinstance(outcome, MessageRejected):
        raise outcome
    return await contacts.show(conn, outcome.contact.id), outcome.is_new, result.unserved


def _submission(call: ApiRequest[None, bytes]) -> Submission:
    sent = _idempotency_keys(call.headers)
    message = Incoming(
        call.body,
        message_id=unquoted(sent[0]) if sent else None,
        content_type=call.headers.get("content-type"),
        content_encoding=call.headers.get("content-encoding"),
        headers=call.headers,
    )
    parsed = read_submission(message, call.context.decoder.max_bytes)
    authorize_source(call.identity, parsed.body.source)
    keys = {unquoted(key) for key in sent} | ({parsed.body.message_id} - {None})
    if len(keys) > 1 and not parsed.is_event:
        raise invalid([("message_id", f"differs from the header {KEY_HEADER}")])
    result = submission(parsed, message, call.context.decoder.phone_region)
    # The previous release used the header as it was sent, with its quotes.
    quoted = [key for key in sent if key != unquoted(key) == result.message_id]
    return replace(result, former_ids=(*result.former_ids, *quoted))


def _idempotency_keys(headers: Headers) -> list[str]:
    try:
        return [value.encode("latin-1").decode() for value in headers.getlist(KEY_HEADER)]
    except UnicodeDecodeError:
        raise invalid([(KEY_HEADER, "is not UTF-8")]) from None


OPERATIONS = (
    Operation(
        "POST",
        PATH,
        "Submit a contact",
        submit_contact,
        SUBMITTERS,
        {201: ContactWithNames, 200: ContactWithNames},
        body=NewContact,
        problems=(409,),
        reads_body=True,
        tagged=True,
        request_headers=(KEY_HEADER, "traceparent"),
    ),
    Operation(
        "GET", PATH, "List contacts", list_contacts, READERS, {200: PageShape[ListedContactShape]}, query=ContactsQuery
    ),
    Operation("GET", ONE, "Explain a contact", show_contact, READERS, {200: ContactInFull}, KEY, tagged=True),
    Operation(
        "POST",
        f"{ONE}/close",
        "Close a contact",
        close_contact,
        SUBMITTERS,
        {200: ContactClosed},
        KEY,
        ContactClosing,
        body_optional=True,
        tagged=True,
    ),
    Operation(
        "POST",
        f"{ONE}/assign",
        "Give a contact to an operator by hand",
        assign_contact,
        ADMINS,
        {200: ContactInFull},
        KEY,
        ContactAssignment,
        problems=(409,),
        tagged=True,
    ),
)
