"""What the relay promises of every publication, whatever the broker, the database and other workers do."""

from collections.abc import Callable
from dataclasses import replace
from itertools import chain
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from distribution.ids import new_id
from distribution.store.outbox import Publication
from tests.property.outbox_model import LEASE_SECONDS, Connection, OutboxModel
from worker.broker.publish_result import PublishResult
from worker.publish.in_flight import EVENTS, RETRIES, LaneLimits
from worker.publish.lane_state import Confirms, LaneState
from worker.publish.outbox_buffer import Fault, Report
from worker.publish.retry_policy import EventRetryPolicy, RetryBudget
from worker.publish.unsettled_rows import Settlement, UnsettledRows

LARGEST = 120
SIZES = st.sampled_from([1, 30, LARGEST])
BROKER_RESULTS = st.sampled_from([PublishResult.CONFIRMED, PublishResult.REFUSED, PublishResult.UNROUTABLE])
LANES = st.sampled_from(["events", "retries"])
STEP_SECONDS = LEASE_SECONDS / 3


def small(limits: LaneLimits) -> LaneLimits:
    """Bounds that are reached soon."""
    return replace(limits, in_flight=4, bytes_in_flight=100, buffered=6, bytes_buffered=200)


class Relaying(RuleBasedStateMachine):
    """Two lanes of one worker, events and retries, over an outbox that other workers use, too."""

    def __init__(self) -> None:
        super().__init__()
        self.now, self.is_blocked = 1_000.0, False
        self.outbox, self.unsettled = OutboxModel(), UnsettledRows()
        leases, policy = (self.unsettled, LEASE_SECONDS), EventRetryPolicy()
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
        """Not sent because the lease could not be renewed; whoever claims it next publishes it."""

    @rule(sizes=st.lists(SIZES, max_size=8), batch_seconds=st.sampled_from([0.0, 1.0, 20.0]))
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

    @precondition(lambda self: self.contacts)
    @rule(data=st.data(), size=SIZES)
    def commit_later_event(self, data: st.DataObject, size: int) -> None:
        """Somebody changes a contact; its event is found in the outbox."""
        self.outbox.insert(data.draw(st.sampled_from(self.contacts)), size, self.now, ours=False)
        self.unsettled.expect_followers(self.now)

    @rule(seconds=st.sampled_from([0.05, 1.0, STEP_SECONDS]))
    def run_rounds(self, seconds: float) -> None:
        """Time passes, and each lane runs a round."""
        self.now += seconds
        for name in self.lanes:
            self.run_round(name)

    @rule(seconds=st.sampled_from([LEASE_SECONDS + 1, 700.0]))
    def stand_still(self, seconds: float) -> None:
        """The process gets no time for longer than a lease."""
        self.now += seconds

    @rule()
    def miss_renewals(self) -> None:
        """Each transaction that renews leases fails, for longer than a lease."""
        self.now += LEASE_SECONDS + 1
        for name, lane in self.lanes.items():
            lane.is_renewal_due(self.now)
            self.run_round(name)

    @rule(data=st.data(), name=LANES)
    def report_results(self, data: st.DataObject, name: str) -> None:
        """The broker reports results, each of which belongs to its publication alone."""
        lane, connection = self.lanes[name], self.connections[name]
        chosen = [one for one in connection.unanswered() if data.draw(st.booleans())]
        reports = [Report(one, data.draw(BROKER_RESULTS)) for one in data.draw(st.permutations(chosen))]
        ids = {report.publication.id for report in reports}
        others = [one for one in connection.unanswered() if one.id not in ids and one.id in lane.buffer]
        self.confirmed |= {one.publication.id for one in reports if one.result is PublishResult.CONFIRMED}
        for sent in connection.sent.values():
            for row_id in ids:
                sent.pop(row_id, None)
        attempts = lane.apply_results(reports, self.now, data.draw(st.sampled_from([lambda: False, lambda: True])))
        assert {attempt.publication.id for attempt in attempts} <= ids
        assert all(one.id in lane.buffer for one in others)

    @rule(name=LANES, fault=st.sampled_from(Fault))
    def lose_channels(self, name: str, fault: Fault) -> None:
        """The broker ends the lane's channels, for something published or not."""
        self.given_up |= {one.id for one in self.connections[name].unanswered()}
        self.lanes[name].disconnected(fault, "it ended", self.now)
        self.connections[name] = Connection()

    @rule(works=st.booleans(), updates=st.booleans(), is_blocked=st.booleans())
    def change_services(self, *, works: bool, updates: bool, is_blocked: bool) -> None:
        """The database fails or is back, the broker has an alarm or not."""
        self.outbox.works, self.outbox.updates, self.is_blocked = works, updates, is_blocked

    @precondition(lambda self: self.outbox.rows)
    @rule(data=st.data())
    def lock_rows(self, data: st.DataObject) -> None:
        """Other transactions lock rows, or are over."""
        self.outbox.locked = set(data.draw(st.lists(st.sampled_from(list(self.outbox.rows)), max_size=3)))

    @precondition(lambda self: not self.unsettled.is_lent)
    @rule()
    def begin_batch(self) -> None:
        """A batch is lent what is confirmed."""
        self.lent = self.unsettled.lend()

    @precondition(lambda self: self.unsettled.is_lent)
    @rule()
    def end_batch(self) -> None:
        """It deletes that, or fails."""
        left = self.outbox.delete(self.lent) if self.outbox.works else None
        self.unsettled.take_back(left, self.now)

    @rule()
    def let_others_publish(self) -> None:
        """Other workers publish what is free: after that it is not ours any more."""
        self.confirmed |= self.outbox.take_by_others(self.now)

    @invariant()
    def memory_is_bounded(self) -> None:
        """By number and by bytes; one publication alone may be larger, and some are overtaken."""
        for lane in self.lanes.values():
            assert len(lane.buffer.in_flight) <= lane.limits.in_flight
            in_flight = sum(one.size for one in lane.buffer.in_flight.all())
            assert in_flight <= 3 * (lane.limits.bytes_in_flight + LARGEST)

    @invariant()
    def each_row_is_in_one_place(self) -> None:
        """In one lane's buffer, or unsettled: so nothing is both published and deleted."""
        buffered = [one.publication.id for lane in self.lanes.values() for one in lane.buffer.all()]
        certain = [row_id for row_id in buffered if row_id not in self.given_up]
        assert len(certain) == len(set(certain))
        assert not any(row_id in self.unsettled for row_id in certain)

    @invariant()
    def each_lease_is_accounted_for(self) -> None:
        """What is ours in the database is known here, so that it is deleted, quarantined or released one day."""
        for row_id, row in self.outbox.rows.items():
            if row.is_ours and row.until > self.now and row_id not in self.let_go:
                assert row_id in self.unsettled or any(row_id in lane.buffer for lane in self.lanes.values())

    def teardown(self) -> None:
        """Once everything works again, every event is published and deleted, and no lease is left."""
        self.outbox.works, self.outbox.updates, self.outbox.locked, self.is_blocked = True, True, set(), False
        if self.unsettled.is_lent:
            self.end_batch()
        for _ in range(2_000):
            if not self.outbox.rows:
                break
            self.now += STEP_SECONDS
            for name, lane in self.lanes.items():
                self.run_round(name)
                answered = self.connections[name].unanswered()
                for sent in self.connections[name].sent.values():
                    sent.clear()
                self.confirmed |= {one.id for one in answered}
                lane.apply_results([Report(one, PublishResult.CONFIRMED) for one in answered], self.now, bool)
        assert not self.outbox.rows

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
        if self.outbox.works and (settlement := lane.next_settlement(self.now, is_quiet=True)):
            self.settle(settlement)
        confirms, given_up = lane.check_confirms(connection.channel, self.now, is_blocked=self.is_blocked)
        self.given_up |= {attempt.publication.id for attempt in given_up}
        if confirms is Confirms.CHANNEL_OVERDUE:
            connection.change_channel()
        if confirms is Confirms.CONNECTION_SILENT:
            self.lose_channels(name, Fault.NONE)

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


TestRelaying = Relaying.TestCase
TestRelaying.settings = settings(max_examples=60, stateful_step_count=50, deadline=None, derandomize=True)
