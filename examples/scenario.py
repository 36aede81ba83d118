"""What the demo does, as data: operators, sources, weights, and every message in order."""

from dataclasses import dataclass
from operator import itemgetter

from examples.bot import Submission, submission

CONTACTS = 500
LEADS = 200
_REPEAT_EVERY = 10
_REPEAT_LATER = 30  # messages between a submission and its repetition
_LEAD_STEP = 7  # coprime with LEADS, so every lead has its turn


@dataclass(frozen=True)
class OperatorPlan:
    """An operator to create."""

    name: str
    limit: int


@dataclass(frozen=True)
class SourcePlan:
    """A source to create, with the weight of each operator by name, and its share of the contacts in fifths."""

    code: str
    name: str
    weights: dict[str, int]
    fifths: int


@dataclass(frozen=True)
class Broken:
    """A message that cannot be processed, and the code it has to be parked under."""

    submission: Submission
    code: str


@dataclass(frozen=True)
class Scenario:
    """One run. Its name is part of every code and key, so that runs never collide."""

    run: str
    operators: tuple[OperatorPlan, ...]
    sources: tuple[SourcePlan, ...]
    contacts: tuple[Submission, ...]
    repeated: tuple[Submission, ...]
    broken: tuple[Broken, ...]

    def messages(self) -> list[Submission]:
        """Everything to publish, with repeated and broken messages between the others."""
        places = [(float(place), contact) for place, contact in enumerate(self.contacts)]
        for number, repeated in enumerate(self.repeated):
            places.append((number * _REPEAT_EVERY + _REPEAT_LATER + 0.5, repeated))
        for number, broken in enumerate(self.broken, start=1):
            places.append((number * len(self.contacts) / (len(self.broken) + 1) + 0.7, broken.submission))
        return [submission for _, submission in sorted(places, key=itemgetter(0))]

    def leads(self) -> list[str]:
        """The external ids of all leads."""
        return [f"{self.run}:{number}" for number in range(LEADS)]


def make_scenario(run: str) -> Scenario:
    """The scenario of the demo. The limits of two operators are low enough that some contacts have to wait."""
    sources = (
        SourcePlan(f"telegram-bot-{run}", "Telegram bot", {"Olga": 50, "Ivan": 30, "Petr": 20}, fifths=3),
        SourcePlan(f"web-form-{run}", "Web form", {"Olga": 0, "Ivan": 1, "Petr": 1}, fifths=2),
    )
    operators = (OperatorPlan("Olga", 300), OperatorPlan("Ivan", 150), OperatorPlan("Petr", 120))
    contacts = tuple(_contact(run, sources, number) for number in range(CONTACTS))
    repeated = tuple(contact.asking_outcome() for contact in contacts[::_REPEAT_EVERY])
    return Scenario(run, operators, sources, contacts, repeated, _broken(run, sources[0].code))


def _contact(run: str, sources: tuple[SourcePlan, ...], number: int) -> Submission:
    lead = number * _LEAD_STEP % LEADS
    # The round is added so that a lead comes through one source once and through another the next time.
    fifth = (number + number // LEADS) % sum(source.fifths for source in sources)
    source = sources[0] if fifth < sources[0].fifths else sources[1]
    return submission(source.code, f"{run}:{lead}", f"{run}-{number}", f"Question {number}", f"+7999{lead:07}")


def _broken(run: str, source: str) -> tuple[Broken, ...]:
    no_json = Submission(f"{run}-cut-off", source, b'{"source": "telegram-bot", "lead": {"exter')
    no_lead = Submission(f"{run}-no-lead", source, f'{{"source": "{source}", "lead": {{}}}}'.encode())
    unknown = submission(f"fax-{run}", f"{run}:0", f"{run}-no-source", "Does anybody read faxes?")
    return (
        Broken(no_json.asking_outcome(), "invalid_json"),
        Broken(no_lead.asking_outcome(), "invalid_message"),
        Broken(unknown.asking_outcome(), "unknown_source"),
    )
