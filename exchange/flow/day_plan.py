"""A day's plan: its settings, and who of the members does what in it."""

from dataclasses import dataclass, field

import numpy as np

from exchange.definition.calendar import DAY_S, HOUR_S
from exchange.definition.contracts import Venue
from exchange.definition.members import Members
from exchange.definition.offers import NothingToTrade
from exchange.flow.demand import DemandSettings
from exchange.flow.jobs import Jobs
from exchange.flow.random_integers import Ints
from exchange.flow.supply import SupplySettings
from matching.records import NANOSECONDS


@dataclass(frozen=True)
class DaySettings:
    """What a generated day is like, apart from its demand and supply."""

    days: int = 3  # of delivery listed: the trading day and those after it
    clock_s: int = 60
    late_session: str = "west-2"
    late_session_s: int = 8 * HOUR_S + 1_800
    short_buyer: str = "vc-11cb48"
    short_buyer_percent: int = 15
    short_supplier: str = "sg-c"
    short_supplier_percent: int = 7
    money_comes_s: int = 9 * HOUR_S
    withdrawal_s: int = 15 * HOUR_S
    halted: str = "vc-b436b2"
    halt_s: int = 20 * HOUR_S + 750
    resume_s: int = 20 * HOUR_S + 790
    report_delay_s: int = 20  # brokers act on what they saw until this long ago
    demand: DemandSettings = field(default_factory=DemandSettings)
    supply: SupplySettings = field(default_factory=SupplySettings)


@dataclass(frozen=True)
class DayPlan:
    """Everything that a generated day is made from."""

    venue: Venue
    members: Members
    jobs: Jobs
    settings: DaySettings
    start_s: int
    seed: int

    @property
    def end_s(self) -> int:
        """The second at which the day is over."""
        return self.start_s + DAY_S

    def time_ns(self, second: int) -> int:
        """A second of the day as a stamp."""
        return (self.start_s + second) * NANOSECONDS

    def account(self, name: str) -> int:
        """The number of a named account; of the first account where there is none such."""
        numbers = {account.name: account.id for account in self.members.accounts}
        return numbers.get(name, self.members.accounts[0].id)

    @property
    def late_session(self) -> int:
        """The session that is opened during the day; 0 where the members have none so named."""
        named = {session.name: session.id for session in self.members.sessions}
        return named.get(self.settings.late_session, 0)

    @property
    def operator(self) -> int:
        """The session of the operators; 0, the venue itself, where the members have none."""
        return next((s.id for s in self.members.sessions if s.operator), 0)

    def session_of(self) -> Ints:
        """The session that trades each account, by the account's number."""
        accounts = self.members.accounts
        sessions = np.zeros(max(account.id for account in accounts) + 1, np.int64)
        for account in accounts:
            every = self.members.sessions_of(account)
            own = [number for number in every if number != self.late_session] or list(every)
            sessions[account.id] = own[account.id % len(own)]
        return sessions

    def job_desks(self) -> tuple[Ints, Ints]:
        """The account and the session of each job.

        A virtual cluster buys for the account named after it, or for any buyer's. Half of what a
        late session could trade goes through it once it is open. Raises NothingToTrade where
        nobody buys.
        """
        buyers = self.members.buyers
        if not buyers:
            raise NothingToTrade("flow: the members have no buyer's account")
        named = {account.name: account.id for account in buyers}
        of_cluster = [
            named.get(f"vc-{cluster}", buyers[number % len(buyers)].id)
            for number, cluster in enumerate(self.jobs.clusters)
        ]
        account = np.array(of_cluster, np.int64)[self.jobs.cluster]
        firms = {session.id: session.firm for session in self.members.sessions}
        broker = firms.get(self.late_session)
        held = [a.id for a in self.members.accounts if a.member == broker]
        moved = np.isin(account, held) & (self.jobs.arrival_s > self.settings.late_session_s)
        moved &= np.arange(len(account)) % 2 == 1
        return account, np.where(moved, self.late_session, self.session_of()[account])
