"""A worker's lanes over the model of the outbox: what a round does, and the promises it could break."""

from collections.abc import Callable
from dataclasses import replace
from itertools import chain
from random import Random
from uuid import UUID

from hypothesis.stateful import RuleBasedStateMachine

from distribution.ids import new_id
from distribution.store.outbox import Publication
from tests.property.outbox_model import LEASE_SECONDS, Connection, OutboxModel
from worker.broker.publish_result import PublishResult
from worker.publish.in_flight import EVENTS, RETRIES, LaneLimits
from worker.publish.lane_state_machine import Confirms, LaneState
from worker.publish.outbox_buffer import Fault, Report
from worker.publish.retry_policy import RetryBudget, RetryPolicy
from worker.publish.unsettled_rows import Settlement, UnsettledRows

LARGEST = 120
BROKER_RESULTS = PublishResult.CONFIRMED, PublishResult.REFUSED, PublishResult.UNROUTABLE


def small(limits: LaneLimits) -> LaneLimits:
    """Bounds that are reached soon."""
    return replace(limits, in_flight=4, bytes_in_flight=100, buffered=6, bytes_buffered=200)


class Lanes(RuleBasedStateMachine):
    """Two lanes of one worker, events and retries, over an outbox that other workers use, too."""

    def __init__(self) -> None:
        super().__init__()
        self.now, self.is_blocked, self.is_quiet = 1_000.0, False, True
        self.outbox, self.unsettled = OutboxModel(), UnsettledRows()
        leases, policy = (self.unsettled, LEASE_SECONDS), RetryPolicy()
        self.lanes = {
            "events": LaneState(small(EVENTS), policy, *leases),
            "retries": LaneState(small(RETRIES), policy, *leases, budget=RetryBudget()),
        }
        self.connections = {name: Connection() for name in self.lanes}
        self.contacts: list[UUID] = []
        self.lent: list[UUID] = []
        self.was_sent: dict[tuple[UUID | None, int], UUID] = {}
        self.confirmed: set[UUID] = set()
        self.given_up: set[UUID] = set()
        """Sent, and given up without a result: a copy may be confirmed at any time."""
        self.let_go: set[UUID] = set()
        """Not sent because the lease could not be renewed; the worker that claims it next publishes it."""
        self.can_renew = True
        """Whether each lease could be renewed so far."""

    def commit_first_events(self, sizes: list[int], batch_seconds: float) -> None:
        """A batch writes first events under a claim that it made before it began."""
        events = self.lanes["events"]
        is_claimed = min(events.buffer.room) > 0
        written = []
        for size in sizes:
            self.contacts.append(new_id())
            written.append(self.outbox.insert(self.contacts[-1], size, self.now, ours=is_claimed))
        if is_claimed:
            self.check_room(events, lambda: events.add(written, self.now - batch_seconds + LEASE_SECONDS))

    def run_rounds(self, seconds: float) -> None:
        """Time passes, and each lane runs a round."""
        self.now += seconds
        for name in self.lanes:
            self.run_round(name)

    def report_results(self, random: Random, name: str) -> None:
        """The broker reports results, each of which belongs to its publication alone."""
        lane, connection = self.lanes[name], self.connections[name]
        unanswered = connection.unanswered()
        chosen = random.sample(unanswered, k=random.randint(0, len(unanswered)))
        reports: list[Report] = [(one, random.choice(BROKER_RESULTS), "") for one in chosen]
        ids = {one.id for one in chosen}
        others = [one for one in unanswered if one.id not in ids and one.id in lane.buffer]
        self.confirmed |= {one.id for one, result, _ in reports if result is PublishResult.CONFIRMED}
        for sent in connection.sent.values():
            for row_id in ids:
                sent.pop(row_id, None)
        attempts = lane.apply_results(reports, self.now, lambda: random.random() < 0.5)
        assert {attempt.publication.id for attempt in attempts} <= ids
        assert all(one.id in lane.buffer for one in others)

    def run_round(self, name: str) -> None:
        """As `Lane` does: renew, claim, fill, settle, give up."""
        lane, connection = self.lanes[name], self.connections[name]
        if lane.is_renewal_due(self.now) and self.outbox.works:
            self.renew(lane)
        if self.outbox.works and (request := lane.next_claim(self.now)):
            claimed = self.outbox.claim(lane.limits.kind, request, self.now)
            self.check_room(lane, lambda: lane.claimed(request, claimed, self.now + LEASE_SECONDS, self.now))
            self.let_go -= {one.id for one in claimed}
        if not self.is_blocked:
            self.fill(name)
        if self.outbox.works and (settlement := lane.next_settlement(self.now, is_quiet=self.is_quiet)):
            self.settle(settlement)
        confirms, given_up = lane.check_confirms(connection.channel, self.now, is_blocked=self.is_blocked)
        self.given_up |= {attempt.publication.id for attempt in given_up}
        if confirms is Confirms.CHANNEL_OVERDUE:
            connection.change_channel()
        if confirms is Confirms.CONNECTION_SILENT:
            self.end_channels(name, Fault.NONE)

    def end_channels(self, name: str, fault: Fault) -> None:
        """The broker ends the lane's channels, for something published or not."""
        self.given_up |= {one.id for one in self.connections[name].unanswered()}
        self.lanes[name].disconnected(fault, "it ended", self.now)
        self.connections[name] = Connection()

    def settle(self, settlement: Settlement) -> None:
        """As `LeasedRows.settle` does."""
        if self.outbox.updates:
            self.unsettled.settled(settlement, self.outbox.settle(settlement, self.now), self.now)
        else:
            self.unsettled.not_settled(settlement)

    def renew(self, lane: LaneState) -> None:
        """As `LeasedRows.renew` does."""
        soon = self.now + LEASE_SECONDS / 2
        ending = {one.publication.id: one for one in lane.buffer.all() if one.until < soon}
        unsettled = [row_id for row_id, until in self.unsettled.leases() if until < soon]
        renewed = self.outbox.renew(chain(ending, unsettled), self.now)
        for row_id in ending.keys() & renewed:
            ending[row_id].until = self.now + LEASE_SECONDS
        self.unsettled.renewed(renewed, self.now + LEASE_SECONDS)

    def fill(self, name: str) -> None:
        """Send, and check each promise of what is sent."""
        connection = self.connections[name]
        in_flight = {one.publication.id for lane in self.lanes.values() for one in lane.buffer.in_flight.all()}
        ended = {one.publication.id for one in self.lanes[name].buffer.all() if one.until <= self.now}
        ready, _ = self.lanes[name].fill(connection.channel, self.now)
        self.let_go |= {row_id for row_id in ended - in_flight if row_id not in self.lanes[name].buffer}
        assert not (self.let_go and self.can_renew)
        sent = connection.sent[connection.channel]
        for one in ready:
            assert one.id not in in_flight, "it is in flight already"
            assert one.id not in sent, "the channel has one of the same id"
            self.check_lease(one)
            self.check_order(one)
            sent[one.id] = one

    def check_room(self, lane: LaneState, add: Callable[[], None]) -> None:
        """Not more is added than there is room for; the last one may be larger."""
        number, size = lane.buffer.room
        add()
        assert lane.buffer.room[0] >= min(number, 0)
        assert lane.buffer.room[1] > min(size, 0) - LARGEST

    def check_lease(self, event: Publication) -> None:
        """What is sent is not confirmed yet, and surely leased to us."""
        if event.id not in self.given_up:
            assert event.id not in self.confirmed
            assert self.outbox.rows[event.id].is_ours
            assert self.outbox.rows[event.id].until > self.now

    def check_order(self, event: Publication) -> None:
        """A later event of a contact leaves after the earlier ones are confirmed."""
        for (contact_id, sequence), earlier in self.was_sent.items():
            if contact_id == event.contact_id and sequence < event.sequence:
                assert earlier in self.confirmed
        self.was_sent[event.contact_id, event.sequence] = event.id
