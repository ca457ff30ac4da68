"""The reference: the whole rule set in plain Python, to be read by a person in one sitting.

It is the specification. For the same commands, the compiled engine must give the same events, to
the byte; where the two differ, RULES.md decides. The code is kept simple, not fast. Read in this
order: this file (a command's way), orders.py (checks and changes of orders), market.py (how orders
run), market_state.py, book.py, accounts.py and agenda.py (the state), quotes.py (bid and ask as
one), blocks.py (several hours as one order), baskets.py (one of several instruments), admin.py and
its parts (the venue's commands), fields.py (malformed commands), events.py and state.py (what is
reported).
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from matching.limits import Limits
from matching.records import COMMAND, EVENT, TIME_MAX_NS, CommandKind, EventKind, Reason
from matching.reference.accounts import Session
from matching.reference.admin import ADMIN_COMMANDS
from matching.reference.blocks import try_blocks
from matching.reference.book import BUY, SELL
from matching.reference.events import PACKED_EVENT, command_event
from matching.reference.fields import Command, is_malformed
from matching.reference.market import Market
from matching.reference.orders import ORDER_COMMANDS
from matching.reference.state import state_tables
from matching.state_tables import Tables, state_hash

VENUE = Session(firm=0, operator=True)
"""Session 0. It belongs to no firm, so it can own no orders."""


class ReferenceEngine:
    """The machine in plain Python: commands in, events out."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._market = Market(limits)

    def process(
        self,
        commands: NDArray[np.void],
        between: Callable[[NDArray[np.void]], None] | None = None,
    ) -> NDArray[np.void]:
        """Execute `commands` (COMMAND[n]) in order; returns their events (EVENT[m]) in order.

        `between` is never called: this engine does not work in slices.
        """
        market = self._market
        market.events = []
        for row in commands.astype(COMMAND, copy=False).tolist():
            self._process(Command._make(row))
        return np.array(market.events, dtype=PACKED_EVENT).view(EVENT)

    def _process(self, command: Command) -> None:
        """Do what is due by the command's time, then execute or reject the command."""
        market = self._market
        market.stamp = command.sequence, command.time_ns
        if not market.now_ns <= command.time_ns <= TIME_MAX_NS:
            self._reject(command, Reason.MALFORMED)
            return
        market.now_ns = command.time_ns
        while market.process_next_due():
            try_blocks(market)
        reason = self._execute(command)
        if reason:
            self._reject(command, reason)
        else:
            try_blocks(market)

    def _execute(self, command: Command) -> Reason:
        """Execute a command; returns the reason for which it is rejected, or NONE."""
        sender = VENUE if command.session == 0 else self._market.sessions.get(command.session)
        operator = sender is not None and sender.operator
        if is_malformed(command, self.limits, operator):
            return Reason.MALFORMED
        if command.kind == CommandKind.CLOCK:
            if operator:
                self._market.seed = command.amount_fen or self._market.seed
                self._market.indicate()
            return Reason.NONE
        if sender is None:
            return Reason.UNKNOWN_SESSION
        if command.kind in ORDER_COMMANDS:
            return ORDER_COMMANDS[command.kind](self._market, command, sender)
        if not operator:
            return Reason.NOT_ENTITLED
        return ADMIN_COMMANDS[command.kind](self._market, command)

    def _reject(self, command: Command, reason: Reason) -> None:
        self._market.emit(
            command_event(
                EventKind.REJECTED,
                command,
                number=command.target_ref,
                price=command.price,
                quantity=command.quantity,
                side=command.side,
                reason=reason,
            )
        )

    # Queries of tests and readers

    def depth(
        self, instrument: int, levels: int
    ) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """Price and shown quantity of the best levels: buys, then sells."""
        book = self._market.instruments[instrument]
        both = [
            [
                (price, sum(order.shown for order in level.values()))
                for price, level in book.levels(side)
            ][:levels]
            for side in (BUY, SELL)
        ]
        return both[0], both[1]

    def queue(self, instrument: int, side: int, price: int) -> list[tuple[int, int]]:
        """The orders of a level by priority, each as (session, user_ref)."""
        level = self._market.instruments[instrument].sides[side].get(price, {})
        return [(order.session, order.user_ref) for order in level.values()]

    def leaves(self, session: int, user_ref: int) -> int | None:
        """Open quantity of an order, hidden quantity included; None where it is not live."""
        order = self._market.orders.get((session, user_ref))
        return None if order is None else order.leaves

    def free_fen(self, account: int) -> int:
        """Money of an account that is neither spent nor held."""
        return self._market.accounts[account].free_fen

    def available(self, account: int, instrument: int) -> int:
        """Lots of an instrument that an account may still offer for sale."""
        return self._market.accounts[account].position(instrument).available

    def state_tables(self) -> Tables:
        """The whole state as tables of integers."""
        return state_tables(self._market)

    def state_hash(self) -> bytes:
        """SHA-256 of the state, the same for every engine in the same state."""
        return state_hash(self.state_tables())
