"""What the relay promises of every publication, whatever the broker, the database and other workers do."""

from random import Random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from tests.property.lanes import LARGEST, Lanes
from tests.property.outbox_model import LEASE_SECONDS
from worker.broker.publish_result import PublishResult
from worker.publish.outbox_buffer import Fault

MOSTLY = st.sampled_from([True, True, True, False])
SIZES = 1, 10, 30, LARGEST
SEEDS = st.integers(0, 1_000)
LANES = st.sampled_from(["events", "retries"])
STEP_SECONDS = LEASE_SECONDS / 3


class Relaying(Lanes):
    """Whatever happens in whatever order, every promise holds."""

    @rule(seed=SEEDS)
    def commit_later_events(self, seed: int) -> None:
        """Changes of contacts: their events are found in the outbox."""
        random = Random(seed)
        for contact_id in random.sample(self.contacts, k=min(len(self.contacts), 3)):
            self.outbox.insert(contact_id, random.choice(SIZES), self.now, ours=False)
        self.unsettled.expect_followers(self.now)

    @rule(seed=SEEDS)
    def work(self, seed: int) -> None:
        """A batch commits, the lanes publish, the broker reports results, the database is told."""
        random = Random(seed)
        sizes = [random.choice(SIZES) for _ in range(random.randrange(8))]
        self.commit_first_events(sizes, random.choice([0.0, 0.0, 20.0]))
        self.run_rounds(0.05)
        for name in self.lanes:
            self.report_results(random, name)
        self.run_rounds(random.choice([0.05, 1.0, STEP_SECONDS]))

    @rule(seconds=st.sampled_from([LEASE_SECONDS + 1, 700.0]), may_renew=st.booleans())
    def lose_leases(self, *, seconds: float, may_renew: bool) -> None:
        """The process gets no time for longer than a lease, or cannot renew any."""
        self.now += seconds
        if not may_renew:
            self.can_renew = False
            for lane in self.lanes.values():
                lane.is_renewal_due(self.now)
        self.run_rounds(0.05)

    @rule(name=LANES, fault=st.sampled_from(Fault))
    def lose_channels(self, name: str, fault: Fault) -> None:
        """The broker ends a lane's channels at any time."""
        self.end_channels(name, fault)

    @rule(works=MOSTLY, updates=MOSTLY, accepts=MOSTLY, is_quiet=MOSTLY)
    def change_services(self, *, works: bool, updates: bool, accepts: bool, is_quiet: bool) -> None:
        """The database fails or is back, the broker has an alarm or not, batches come without a pause or not."""
        self.outbox.works, self.outbox.updates = works, updates
        self.can_renew = self.can_renew and works and updates
        self.is_blocked, self.is_quiet = not accepts, is_quiet

    @rule(seed=SEEDS)
    def lock_rows(self, seed: int) -> None:
        """Other transactions lock rows, or are over."""
        self.can_renew = False
        self.outbox.locked = set(Random(seed).sample(list(self.outbox.rows), k=min(len(self.outbox.rows), 2)))

    @rule()
    def begin_or_end_batch(self) -> None:
        """A batch is lent what is confirmed; it deletes that, or fails."""
        if self.unsettled.is_lent:
            self.unsettled.take_back(self.outbox.delete(self.lent) if self.outbox.works else None, self.now)
        else:
            self.lent = self.unsettled.lend()

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
        self.outbox.works, self.outbox.updates, self.outbox.locked = True, True, set()
        self.is_blocked, self.is_quiet = False, True
        if self.unsettled.is_lent:
            self.begin_or_end_batch()
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
                lane.apply_results([(one, PublishResult.CONFIRMED, "") for one in answered], self.now, bool)
        assert not self.outbox.rows


TestRelaying = Relaying.TestCase
TestRelaying.settings = settings(max_examples=150, stateful_step_count=30, deadline=None, derandomize=True)
