"""The plan of a generated day: its inputs, its members' roles, and the context of its orders."""

from dataclasses import dataclass

import numpy as np

from exchange.definition.calendar import DAY_S
from exchange.definition.command_drafts import Handles
from exchange.definition.contracts import Venue
from exchange.definition.instrument_columns import InstrumentColumns
from exchange.definition.members import Members
from exchange.definition.offers import NothingToTrade
from exchange.flow.jobs import Jobs
from exchange.flow.prices import Prices
from exchange.flow.random_integers import Ints
from exchange.flow.settings import DaySettings
from matching.records import NANOSECONDS


@dataclass(frozen=True)
class DayContext:
    """Instruments, fair values, trading hours and seed: the input of every order generator."""

    columns: InstrumentColumns
    prices: Prices
    handles: Handles
    begin_s: int  # first second with orders, since the epoch
    last_s: int  # no order comes at or after this second
    seed: int


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
        """The second at which the day ends, since the epoch."""
        return self.start_s + DAY_S

    def time_ns(self, second: int) -> int:
        """The time stamp of a second of the day, in ns since the epoch."""
        return (self.start_s + second) * NANOSECONDS

    def context(self, columns: InstrumentColumns) -> DayContext:
        """The context of the day's orders: from 5 s after its start to 5 s before its end."""
        return DayContext(
            columns=columns,
            prices=Prices(columns, self.start_s, self.seed),
            handles=Handles(),
            begin_s=self.start_s + 5,
            last_s=self.end_s - 5,
            seed=self.seed,
        )

    def account(self, name: str) -> int:
        """The number of the account of this name; of the first account if there is none."""
        numbers = {account.name: account.id for account in self.members.accounts}
        return numbers.get(name, self.members.accounts[0].id)

    @property
    def late_session(self) -> int:
        """The number of the session that opens during the day; 0 if the members have none."""
        named = {session.name: session.id for session in self.members.sessions}
        return named.get(self.settings.late_session, 0)

    @property
    def operator(self) -> int:
        """The number of the operators' session; 0, the venue itself, if the members have none."""
        return next((s.id for s in self.members.sessions if s.operator), 0)

    def sessions_by_account(self) -> Ints:
        """The session that trades each account, at the index of the account's number."""
        accounts = self.members.accounts
        sessions = np.zeros(max(account.id for account in accounts) + 1, np.int64)
        for account in accounts:
            every = self.members.sessions_of(account)
            own = [number for number in every if number != self.late_session] or list(every)
            sessions[account.id] = own[account.id % len(own)]
        return sessions

    def job_accounts(self) -> tuple[Ints, Ints]:
        """The account and the session of each job.

        A virtual cluster buys for the account named after it; if there is none, for a buyer in
        turn. Once the late session is open, it carries half of the orders of its firm's accounts.
        Raises NothingToTrade if the members have no buyer.
        """
        buyers = self.members.buyers
        if not buyers:
            raise NothingToTrade("flow: the members have no buyer's account; add [[accounts]]")
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
        return account, np.where(moved, self.late_session, self.sessions_by_account()[account])
