"""What most developers would write: one transaction per message, ORM objects, active contacts counted by a query."""

from random import SystemRandom
from uuid import uuid4

import orjson
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from benchmarks.workload import Size
from distribution.store.engine import create_engine

Sessions = async_sessionmaker[AsyncSession]


class Base(DeclarativeBase):
    """Tables of the naive schema."""


class Operator(Base):
    """A person who handles enquiries."""

    __tablename__ = "naive_operators"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    is_active: Mapped[bool]
    max_active_contacts: Mapped[int]


class Source(Base):
    """A channel that enquiries come from."""

    __tablename__ = "naive_sources"
    id: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(unique=True)


class Weight(Base):
    """How much of a source an operator gets."""

    __tablename__ = "naive_weights"
    source_id: Mapped[int] = mapped_column(sa.ForeignKey("naive_sources.id"), primary_key=True)
    operator_id: Mapped[int] = mapped_column(sa.ForeignKey("naive_operators.id"), primary_key=True)
    weight: Mapped[int]


class Lead(Base):
    """A person who enquires."""

    __tablename__ = "naive_leads"
    id: Mapped[int] = mapped_column(primary_key=True)
    external_id: Mapped[str] = mapped_column(unique=True)
    phone: Mapped[str | None]
    email: Mapped[str | None]


class Contact(Base):
    """An enquiry."""

    __tablename__ = "naive_contacts"
    id: Mapped[int] = mapped_column(primary_key=True)
    message_id: Mapped[str] = mapped_column(unique=True)
    source_id: Mapped[int] = mapped_column(sa.ForeignKey("naive_sources.id"))
    lead_id: Mapped[int] = mapped_column(sa.ForeignKey("naive_leads.id"))
    operator_id: Mapped[int | None] = mapped_column(sa.ForeignKey("naive_operators.id"), index=True)
    status: Mapped[str]
    payload: Mapped[str]


async def open_business(database_url: str, size: Size) -> None:
    """Its tables, with the same sources, operators and weights as ours."""
    engine = create_engine(database_url)
    async with engine.begin() as conn:
        await conn.run_sync(Base.metadata.create_all)
    async with async_sessionmaker(engine).begin() as session:
        session.add_all(
            Operator(id=n + 1, name=f"Operator {n}", is_active=True, max_active_contacts=size.limit)
            for n in range(size.operators)
        )
        session.add_all(Source(id=n + 1, code=f"source-{n}") for n in range(size.sources))
        await session.flush()
        session.add_all(
            Weight(source_id=source + 1, operator_id=operator + 1, weight=operator % 5 + 1)
            for source in range(size.sources)
            for operator in range(size.operators)
        )
    await engine.dispose()


async def handle(sessions: Sessions, body: bytes, message_id: str) -> bytes | None:
    """One message in one transaction; returns the event, or None if the message was known."""
    submission = orjson.loads(body)
    async with sessions.begin() as session:
        if await session.scalar(sa.select(Contact).where(Contact.message_id == message_id)):
            return None
        lead = await session.scalar(sa.select(Lead).where(Lead.external_id == submission["lead"]["external_id"]))
        if lead is None:
            lead = Lead(**submission["lead"])
            session.add(lead)
        source = (await session.scalars(sa.select(Source).where(Source.code == submission["source"]))).one()
        operator = await choose(session, source)
        await session.flush()
        contact = Contact(
            message_id=message_id,
            source_id=source.id,
            lead_id=lead.id,
            operator_id=operator.id if operator else None,
            status="active" if operator else "waiting",
            payload=orjson.dumps(submission["payload"]).decode(),
        )
        session.add(contact)
        await session.flush()
        event = {
            "specversion": "1.0",
            "id": str(uuid4()),
            "type": "contact.assigned" if operator else "contact.waiting",
            "data": {
                "contact": {"id": contact.id, "status": contact.status, "message_id": message_id},
                "lead": {"id": lead.id, "external_id": lead.external_id, "phone": lead.phone, "email": lead.email},
                "operator": {"id": operator.id, "name": operator.name} if operator else None,
                "payload": submission["payload"],
            },
        }
    return orjson.dumps(event)


async def choose(session: AsyncSession, source: Source) -> Operator | None:
    """An operator with a free place, by weight; all are locked, since two messages may want the last place."""
    candidates = await session.execute(
        sa.select(Operator, Weight.weight)
        .join(Weight, Weight.operator_id == Operator.id)
        .where(Weight.source_id == source.id, Operator.is_active)
        .order_by(Operator.id)
        .with_for_update(of=Operator)
    )
    counted = await session.execute(
        sa.select(Contact.operator_id, sa.func.count()).where(Contact.status == "active").group_by(Contact.operator_id)
    )
    loads = {operator_id: number for operator_id, number in counted}  # noqa: C416 - a Row is no pair for dict()
    free = [
        (operator, weight)
        for operator, weight in candidates
        if loads.get(operator.id, 0) < operator.max_active_contacts
    ]
    if not free:
        return None
    chosen: Operator = SystemRandom().choices([operator for operator, _ in free], [weight for _, weight in free])[0]
    return chosen
