"""The market of the reference: runs of orders, stops, phases, auctions, and time.

Which commands are accepted is decided elsewhere: orders.py, quotes.py, blocks.py and baskets.py for
orders, admin.py and its parts for the venue's commands.
"""

from collections import deque
from collections.abc import Callable

from matching.records import (
    NANOSECONDS,
    EventFlag,
    EventKind,
    Phase,
    Reason,
    SelfTradePrevention,
    TimeInForce,
)
from matching.reference.agenda import Work
from matching.reference.book import BUY, QUANTITY_MAX, SELL, Instrument, Order
from matching.reference.events import Event
from matching.reference.market_state import MarketState
from matching.state_tables import SCHEDULED_BY

LEHMER_MODULUS, LEHMER_MULTIPLIER = 2**31 - 1, 48_271


class Market(MarketState):
    """A market at work: what orders do when they meet, and what time does to them."""

    # Matching

    def start_order(self, order: Order) -> None:
        """Let an accepted or replaced order wait or run, and then all stops that it triggers."""
        instrument = order.instrument
        base = instrument.last or instrument.reference
        if not order.waiting:
            prices = self._run_order(order)
            self.run_stops(instrument, self.triggered_stops(instrument, prices, base), base)
            return
        instrument.waiting[order.accepted] = order
        last = instrument.last
        if last and instrument.phase == Phase.CONTINUOUS and order.is_triggered_by(last, last):
            self.run_stops(instrument, [order], base)

    def _run_order(self, order: Order) -> list[int]:
        """Match an incoming order, rest or cancel its remainder; returns the prices it traded at.

        An order that the collar stopped starts the collar's auction if it rests in it.
        """
        instrument = order.instrument
        prices: list[int] = []
        stopped = instrument.phase == Phase.CONTINUOUS and self._match(order, prices)
        if order.leaves and order.can_rest:
            order.shown = order.next_slice
            instrument.rest(order)
            if stopped:
                self._start_collar_auction(instrument)
        elif order.leaves:
            self.reduce(order, order.leaves, Reason.REMAINDER)
        self.withdraw_quotes()
        return prices

    def _match(self, order: Order, prices: list[int]) -> bool:
        """Trade with the other side as far as limit and collar allow; True: the collar stopped it.

        `prices` receives the price of each trade.
        """
        instrument = order.instrument
        low, high = instrument.collar_range()
        while order.leaves:
            maker = instrument.front(1 - order.side)
            if maker is None or not order.accepts(maker.price):
                return False
            if not low <= maker.price <= high:
                return True
            if order.is_kept_from(maker):
                self._prevent(maker, order)
            else:
                self.trade(maker, order, min(maker.shown, order.leaves))
                prices.append(maker.price)
        return False

    def trade(self, maker: Order, taker: Order, quantity: int) -> bool:
        """Trade with a resting order at its price; an iceberg's next slice goes to the back.

        Returns whether it is a price of the instrument: not behind a better order, which is the
        owner's own that a block or basket order passes over.
        """
        front = maker.instrument.front(maker.side)
        on_book = front is not None and front.price == maker.price
        maker.shown -= quantity
        self.fill(maker, taker, maker.instrument, maker.price, quantity, on_book=on_book)
        if maker.leaves and maker.shown == 0:
            maker.instrument.remove(maker)
            maker.shown = maker.next_slice
            maker.instrument.rest(maker)
            self.report(EventKind.REFRESHED, maker, maker.shown)
        return on_book

    def fill(
        self,
        maker: Order,
        taker: Order,
        instrument: Instrument,
        price: int,
        quantity: int,
        *,
        auction: bool = False,
        on_book: bool = True,
    ) -> None:
        """Move quantity and money between two orders, and report the fill to each, maker first.

        Off the book: the price is none of the instrument's and does not move its last price.
        """
        self.trades += 1
        common = EventFlag.AUCTION if auction else 0
        if on_book:
            instrument.last = price
        else:
            common = EventFlag.OFF_BOOK
        taker_rate = instrument.maker_rate if auction else instrument.taker_rate
        for order, rate, flags in (
            (maker, instrument.maker_rate, common),
            (taker, taker_rate, common | EventFlag.TAKER),
        ):
            fee_fen = order.fill(instrument, price, quantity, rate)
            self._note_protection(order, quantity, price * quantity * instrument.tick_fen)
            if order.leaves == 0 and not order.trades_in_group:
                self.remove_order(order)
            self.report(
                EventKind.FILLED,
                order,
                quantity,
                number=self.trades,
                amount=fee_fen,
                price=price,
                instrument=instrument.id,
                flags=flags | order.fill_flags,
                trade_group=self.trade_groups if taker.trades_in_group else 0,
            )

    def _note_protection(self, order: Order, lots: int, notional_fen: int) -> None:
        """Count a fill of a quote against its account's protection."""
        protection = order.account.protection
        if order.quote and protection and protection.note_fill(self.now_ns, lots, notional_fen):
            self.tripped.add(order.account.id)

    def withdraw_quotes(self) -> None:
        """Withdraw the quotes of accounts whose protection has tripped, in acceptance sequence."""
        if self.holds_withdrawals or not self.tripped:
            return
        quotes = self.orders_by_acceptance(
            lambda order: order.quote and order.account.id in self.tripped
        )
        for order in quotes:
            self.reduce(order, order.leaves, Reason.PROTECTION)
        self.tripped.clear()

    def _prevent(self, resting: Order, incoming: Order) -> None:
        """Reduce or end two orders of one owner that meet, by the mode of the incoming one."""
        mode = incoming.stp
        ends_resting = mode in (SelfTradePrevention.OLDEST, SelfTradePrevention.BOTH)
        ends_incoming = mode in (SelfTradePrevention.NEWEST, SelfTradePrevention.BOTH)
        if mode == SelfTradePrevention.DECREMENT:
            quantity = min(resting.leaves, incoming.leaves)
            self.reduce(resting, quantity, Reason.SELF_TRADE)
            self.reduce(incoming, quantity, Reason.SELF_TRADE)
        if ends_resting:
            self.reduce(resting, resting.leaves, Reason.SELF_TRADE)
        if ends_incoming:
            self.reduce(incoming, incoming.leaves, Reason.SELF_TRADE)

    # Stops

    def triggered_stops(self, instrument: Instrument, prices: list[int], base: int) -> list[Order]:
        """The waiting stops that trades at these prices trigger, nearest to `base` first."""
        if not prices:
            return []
        low, high = min(prices), max(prices)
        waiting = instrument.waiting.values()
        stops = [order for order in waiting if order.is_triggered_by(low, high)]
        return sorted(stops, key=lambda order: (abs(order.stop - base), order.accepted))

    def run_stops(self, instrument: Instrument, stops: list[Order], base: int) -> None:
        """Run triggered stops in their order; stops that a run triggers join the end of the queue.

        Where a collar ends continuous trading in between, the others run into the auction: they
        rest if their type may rest, and are cancelled otherwise.
        """
        queue = deque(self._trigger(stops))
        while queue:
            prices = self._run_order(queue.popleft())
            queue.extend(self._trigger(self.triggered_stops(instrument, prices, base)))

    def _trigger(self, stops: list[Order]) -> list[Order]:
        """Take stops out of waiting, and report it; returns them."""
        for order in stops:
            order.instrument.remove(order)
            order.waiting = False
            order.shown = order.next_slice
            self.report(EventKind.TRIGGERED, order, order.leaves)
        return stops

    # Phases

    def change_phase(
        self, instrument: Instrument, phase: int, requester: tuple[int, int] = (0, 0)
    ) -> None:
        """Change the phase: end DAY orders at a close, uncross before continuous trading, and run
        the stops that this triggers. The end of a collar's auction is due no more.

        `requester` is session and user_ref of the PHASE command, if a command caused the change.
        """
        base = instrument.last or instrument.reference
        prices: list[int] = []
        volume = 0
        self.agenda.drop_phases(instrument.id, SCHEDULED_BY["collar"])
        if phase == Phase.CLOSED:
            self._end(instrument, Reason.END_OF_DAY, lambda order: order.tif == TimeInForce.DAY)
        if phase == Phase.CONTINUOUS:
            prices, volume = self._uncross(instrument, base)
            self.withdraw_quotes()
        instrument.phase = phase
        instrument.indicative = 0, 0, 0
        self.emit(
            Event(
                kind=EventKind.PHASE_CHANGED,
                price=prices[-1] if prices else 0,
                quantity=min(volume, QUANTITY_MAX),
                session=requester[0],
                user_ref=requester[1],
                instrument=instrument.id,
                flags=phase,
            )
        )
        if phase == Phase.CONTINUOUS and instrument.last:
            stops = self.triggered_stops(instrument, [*prices, instrument.last], base)
            self.run_stops(instrument, stops, base)

    def _uncross(self, instrument: Instrument, base: int) -> tuple[list[int], int]:
        """Uncross until nothing crosses; returns the prices that traded, and the whole volume.
        `base` is the last price before it."""
        prices, volume = [], 0
        while (price := instrument.uncross_price(base)) is not None:
            traded = self._pair(instrument, price)
            if traded:
                prices.append(price)
                volume += traded
        return prices, volume

    def _pair(self, instrument: Instrument, price: int) -> int:
        """Trade by price, then time, all at one price, until a side has nothing left at it;
        returns the volume."""
        volume = 0
        while True:
            buy, sell = instrument.front(BUY), instrument.front(SELL)
            if buy is None or sell is None or not buy.price >= price >= sell.price:
                return volume
            earlier, later = (buy, sell) if buy.accepted < sell.accepted else (sell, buy)
            if later.is_kept_from(earlier):
                self._prevent(earlier, later)
                continue
            quantity = min(buy.leaves, sell.leaves)
            self.fill(earlier, later, instrument, price, quantity, auction=True)
            volume += quantity

    def _start_collar_auction(self, instrument: Instrument) -> None:
        """Change from continuous trading into an auction of the collar's length."""
        self.change_phase(instrument, Phase.AUCTION)
        instrument.extended = False
        self._schedule_collar_end(instrument, self.now_ns // NANOSECONDS)

    def _schedule_collar_end(self, instrument: Instrument, from_s: int) -> None:
        """Schedule the end of a collar's auction: its seconds after `from_s`, and some at
        random."""
        due_s = from_s + instrument.collar_s + self._random_seconds(instrument)
        self.agenda.add_phase(instrument.id, due_s, Phase.CONTINUOUS, SCHEDULED_BY["collar"])

    def _random_seconds(self, instrument: Instrument) -> int:
        """Seconds from 0 to the instrument's most, drawn from the seed of the last CLOCK that gave
        one: two steps of Lehmer's generator, one for each half of the seed."""
        number = instrument.id
        for half in (self.seed, self.seed >> 31):
            number = (((half & LEHMER_MODULUS) ^ number) * LEHMER_MULTIPLIER + 1) % LEHMER_MODULUS
        return number % (instrument.random_s + 1)

    def _put_off(self, instrument: Instrument, due_s: int) -> bool:
        """Put the end of a collar's auction off, once, where its price would lie too far away."""
        base = instrument.last or instrument.reference
        price = instrument.uncross_price(base)
        if price is None or instrument.extended or not instrument.extension:
            return False
        if abs(price - base) <= instrument.extension:
            return False
        instrument.extended = True
        kind = EventKind.PHASE_CHANGED
        self.emit(Event(kind=kind, instrument=instrument.id, flags=Phase.AUCTION))
        self._schedule_collar_end(instrument, due_s)
        return True

    def indicate(self) -> None:
        """Report the indicative price, volume and surplus of each auction where they changed."""
        for number, instrument in sorted(self.instruments.items()):
            if instrument.phase != Phase.AUCTION:
                continue
            price, volume, surplus = found = instrument.indicate()
            if found == instrument.indicative:
                continue
            instrument.indicative = found
            self.emit(
                Event(
                    kind=EventKind.INDICATIVE,
                    price=price,
                    quantity=min(volume, QUANTITY_MAX),
                    leaves=min(abs(surplus), QUANTITY_MAX),
                    instrument=number,
                    side=SELL if surplus < 0 else BUY,
                )
            )

    # Time

    def process_next_due(self) -> bool:
        """Do the first work that is due by now; False where nothing is due.

        Work runs by second, kind and instrument, then in the order of scheduling.
        """
        due = self.agenda.pop_due(self.now_ns)
        if due is None:
            return False
        (due_s, work, number, _), (phase, cause) = due
        instrument = self.instruments[number]
        if work == Work.EXPIRY:
            self._expire(instrument, due_s)
        elif work == Work.GATE:
            self._close_gate(instrument)
        else:
            self._change_phase_on_time(instrument, due_s, phase, cause)
        return True

    def _change_phase_on_time(
        self, instrument: Instrument, due_s: int, phase: int, cause: int
    ) -> None:
        """Do a scheduled phase change, unless it has become meaningless or is put off."""
        if cause == SCHEDULED_BY["close"]:
            instrument.close_s = 0
        if instrument.gated or instrument.phase == phase:
            return
        if cause == SCHEDULED_BY["collar"] and self._put_off(instrument, due_s):
            return
        self.change_phase(instrument, phase)

    def _expire(self, instrument: Instrument, due_s: int) -> None:
        """End the GTD orders of this second and, at the close, DAY orders, in acceptance sequence.

        A GTD block ends with the orders of its first hour, a DAY block at the close of any hour.
        """
        for order in self.orders_by_acceptance(lambda order: order.covers(instrument)):
            if order.tif == TimeInForce.GTD and order.expiry_s == due_s:
                if order.instrument is instrument:
                    self.reduce(order, order.leaves, Reason.END_OF_TIME)
            elif order.tif == TimeInForce.DAY and instrument.close_s == due_s:
                self.reduce(order, order.leaves, Reason.END_OF_DAY)

    def _close_gate(self, instrument: Instrument) -> None:
        """End every order; the instrument never trades again."""
        self._end(instrument, Reason.GATE_CLOSURE, lambda _: True)
        instrument.gate_s = 0
        instrument.gated = True
        if instrument.phase != Phase.CLOSED:
            self.change_phase(instrument, Phase.CLOSED)

    def _end(self, instrument: Instrument, reason: int, is_wanted: Callable[[Order], bool]) -> None:
        """End the instrument's orders that are wanted, in acceptance sequence."""
        for order in self.orders_by_acceptance(lambda order: order.covers(instrument)):
            if is_wanted(order):
                self.reduce(order, order.leaves, reason)
