"""Faults in copies of the code: each is one that a careless change could make, and the judge must see it."""

import asyncio
import tempfile
from dataclasses import dataclass
from pathlib import Path

import typer

from devservices.broker import Broker, broker
from devservices.postgres import Postgres, postgres
from tests.chaos.campaign import Campaign
from tests.chaos.copied import copied
from tests.chaos.plan import PLANTED, seeded

QUIET_SECONDS = 25


class NotPlanted(Exception):
    """The code no longer has what the fault replaces."""


@dataclass(frozen=True, slots=True)
class Planted:
    """A fault: texts replaced in files, and the beginning of what the judge says."""

    name: str
    edits: tuple[tuple[str, str, str], ...]
    seen_as: tuple[str, ...]


FAULTS = (
    Planted(
        "acknowledge before commit",
        (
            (
                "worker/consumer.py",
                "        self._status.batch_messages.observe(len(arrivals))\n",
                "        self._status.batch_messages.observe(len(arrivals))\n"
                "        await channel.basic_ack(deliveries[-1].delivery_tag or 0, multiple=multiple, wait=True)\n"
                "        if deliveries:\n"
                "            deliveries, acked = [], deliveries\n",
            ),
        ),
        ("lost",),
    ),
    Planted(
        "acknowledge all that is held, with the first batch",
        (
            (
                "worker/consumer.py",
                "await channel.basic_ack(delivery.delivery_tag, multiple=multiple, wait=False)",
                "await channel.basic_ack(0, multiple=True, wait=False)",
            ),
        ),
        ("lost",),
    ),
)


def see_all(seed: int) -> int:
    """Plant each, run, and show what the judge said; answers how many it did not see."""
    blind = 0
    with broker(control=True) as own_broker, postgres(control=True) as server:
        for fault in FAULTS:
            findings = asyncio.run(see(fault, seed, own_broker, server))
            seen = any(finding.startswith(fault.seen_as) for finding in findings)
            blind += not seen
            typer.echo(f"{'seen   ' if seen else 'NOT SEEN'} {fault.name}: {'; '.join(findings) or 'nothing found'}")
    return blind


async def see(fault: Planted, seed: int, own_broker: Broker, server: Postgres) -> list[str]:
    """What the judge finds in a run of code with the fault."""
    folder = Path(tempfile.mkdtemp(prefix="contacts-planted-"))
    code = plant(fault, folder / "code")
    campaign = Campaign(seeded(PLANTED, seed), own_broker, server, folder, lambda _: None, code, QUIET_SECONDS)
    return (await campaign.run()).findings


def plant(fault: Planted, code: Path) -> Path:
    """A copy of the code with the fault in it; raises NotPlanted where a text is not there exactly once."""
    copied(code)
    for name, old, new in fault.edits:
        text = (code / name).read_text()
        if text.count(old) != 1:
            raise NotPlanted(f"{fault.name}: {name} has the text to replace {text.count(old)} times")
        (code / name).write_text(text.replace(old, new))
    return code
