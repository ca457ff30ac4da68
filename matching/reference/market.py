"""The trading floor of the reference: how orders run, stops trigger, phases change, time ends.

A Market holds the whole state and says what happens as events. What commands may ask of it is
decided elsewhere (reference.py for orders, reference_admin.py for the venue).
"""

from collections import Counter, deque
from collections.abc import Callable

from matching.limits import Limits
from matching.records import (
    NANOSECONDS,
    EventFlag,
    EventKind,
    Phase,
    Reason,
    SelfTradePrevention,
    TimeInForce,
)
from matching.reference.accounts import Account, Session
from matching.reference.agenda import EXPIRY, GATE, Agenda
from matching.reference.book import BUY, QUANTITY_MAX, SELL, Instrument, Order
from matching.state_tables import SCHEDULED_BY

REFS_PER_PAGE = 1024


class Market:
    """All sessions, accounts, instruments and live orders, and the clock."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.now_ns = 0
        self.trades = 0
        self.trade_groups = 0  # blocks and orders for baskets that traded
        self.accepted = 0
        self.ticks = 0
        self.sessions: dict[int, Session] = {}
        self.accounts: dict[int, Account] = {}
        self.instruments: dict[int, Instrument] = {}
        self.baskets: dict[int, list[Instrument]] = {}  # of like instruments, as listed
        self.orders: dict[tuple[int, int], Order] = {}  # live, by session and ref
        self.blocks: dict[tuple[int, int], Order] = {}  # those of them that are blocks
        self.ref_pages: Counter[tuple[int, int]] = Counter()  # live orders by session and page
        self.agenda = Agenda()
        self.events: list[tuple[int, ...]] = []
        self.stamp = (0, 0)  # sequence and time of the command under way

    # What is said

    def emit(
        self,
        kind: int,
        *,
        number: int = 0,  # the u32 at byte 16: trade_id, request_ref, target_ref
        amount: int = 0,  # the i32 at byte 20: fee_fen, shown
        price: int = 0,
        quantity: int = 0,
        leaves: int = 0,
        cumulative: int = 0,
        session: int = 0,
        user_ref: int = 0,
        account: int = 0,
        instrument: int = 0,
        side: int = 0,
        reason: int = 0,
        flags: int = 0,
        group: int = 0,  # the u32 at byte 60: trade_group, hours
    ) -> None:
        """Say that something happened, with the stamp of the command under way."""
        values = (number, amount, price, quantity, leaves, cumulative)
        names = (session, user_ref, account, instrument)
        self.events.append((*self.stamp, *values, *names, kind, side, reason, flags, group))

    def say(
        self,
        kind: int,
        order: Order,
        quantity: int,
        *,
        number: int = 0,
        price: int | None = None,
        fee_fen: int | None = None,
        reason: int = 0,
        flags: int = 0,
    ) -> None:
        """Say what became of an order; a fill has its own price, and its fee for what is shown."""
        self.emit(
            kind,
            number=number,
            amount=order.shown if fee_fen is None else fee_fen,
            price=order.price if price is None else price,
            quantity=quantity,
            leaves=order.leaves,
            cumulative=order.cumulative,
            session=order.session,
            user_ref=order.user_ref,
            account=order.account.id,
            instrument=order.instrument.id,
            side=order.side,
            reason=reason,
            flags=flags | (EventFlag.BLOCK if order.span else 0),
            group=order.span,
        )

    # Orders come and go

    def admit(self, order: Order) -> None:
        """Make the order known under its name, and give it its acceptance sequence."""
        self.accepted += 1
        order.accepted = self.accepted
        self.orders[order.session, order.user_ref] = order
        if order.span:
            self.blocks[order.session, order.user_ref] = order
        self.ref_pages[order.session, order.user_ref // REFS_PER_PAGE] += 1

    def forget(self, order: Order) -> None:
        """Take the order out of the book and free its name."""
        order.instrument.leave(order)
        del self.orders[order.session, order.user_ref]
        self.blocks.pop((order.session, order.user_ref), None)
        page = order.session, order.user_ref // REFS_PER_PAGE
        self.ref_pages[page] -= 1
        if self.ref_pages[page] == 0:
            del self.ref_pages[page]

    def has_room(self, session: int, user_ref: int) -> bool:
        """Whether one more order fits: a slot, and a page of refs with a live order."""
        page = session, user_ref // REFS_PER_PAGE
        fits_page = page in self.ref_pages or len(self.ref_pages) < self.limits.ref_pages
        return len(self.orders) < self.limits.orders and fits_page

    def take_off(self, order: Order, quantity: int, reason: int, request: int = 0) -> None:
        """Take quantity off an order without a trade; at zero the order is over."""
        kind = EventKind.EXPIRED if reason >= Reason.END_OF_TIME else EventKind.CANCELLED
        order.set_leaves(order.leaves - quantity)
        if order.leaves == 0:
            self.forget(order)
        self.say(kind, order, quantity, number=request, reason=reason)

    def in_acceptance(self, wanted: Callable[[Order], bool]) -> list[Order]:
        """The live orders that are wanted, in acceptance sequence."""
        return sorted(filter(wanted, self.orders.values()), key=lambda order: order.accepted)

    # Orders run

    def enter(self, order: Order) -> None:
        """Let an accepted or replaced order wait or run, and then all that it triggers."""
        instrument = order.instrument
        base = instrument.last or instrument.reference
        if not order.waiting:
            self.run_stops(instrument, self.reached(instrument, self._run(order), base), base)
            return
        instrument.waiting[order.accepted] = order
        last = instrument.last
        if last and instrument.phase == Phase.CONTINUOUS and order.is_reached(last, last):
            self.run_stops(instrument, [order], base)

    def _run(self, order: Order) -> list[int]:
        """Match an incoming order and rest or cancel what is left; the prices of its trades."""
        instrument = order.instrument
        prices: list[int] = []
        tripped = instrument.phase == Phase.CONTINUOUS and self._match(order, prices)
        if order.leaves and order.may_rest:
            order.shown = order.slice
            instrument.rest(order)
        elif order.leaves:
            self.take_off(order, order.leaves, Reason.REMAINDER)
        if tripped:
            self._trip_collar(instrument)
        return prices

    def _match(self, order: Order, prices: list[int]) -> bool:
        """Trade with the other side as far as limit and collar go; True if the collar stopped it.

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
            if order.stp != SelfTradePrevention.NONE and order.account.related(maker.account):
                self._prevent(maker, order)
            else:
                self._trade(maker, order)
                prices.append(maker.price)
        return False

    def _trade(self, maker: Order, taker: Order) -> None:
        """One trade in continuous trading; an iceberg's next slice goes to the back."""
        instrument = maker.instrument
        quantity = min(maker.shown, taker.leaves)
        maker.shown -= quantity
        self._fill(maker, taker, maker.price, quantity, auction=False)
        if maker.leaves and maker.shown == 0:
            instrument.leave(maker)
            maker.shown = maker.slice
            instrument.rest(maker)
            self.say(EventKind.REFRESHED, maker, maker.shown)

    def _fill(self, maker: Order, taker: Order, price: int, quantity: int, auction: bool) -> None:
        """Move quantity and money between two orders, and say so to each."""
        instrument = maker.instrument
        instrument.last = price
        self.trades += 1
        common = EventFlag.AUCTION if auction else 0
        taker_rate = instrument.maker_rate if auction else instrument.taker_rate
        for order, rate, flags in (
            (maker, instrument.maker_rate, common),
            (taker, taker_rate, common | EventFlag.TAKER),
        ):
            fee_fen = order.fill(price, quantity, rate)
            if order.leaves == 0:
                self.forget(order)
            self.say(
                EventKind.FILLED,
                order,
                quantity,
                number=self.trades,
                price=price,
                fee_fen=fee_fen,
                flags=flags,
            )

    def _prevent(self, resting: Order, incoming: Order) -> None:
        """Keep two orders of one owner apart, as the incoming one asks."""
        mode = incoming.stp
        ends_resting = mode in (SelfTradePrevention.OLDEST, SelfTradePrevention.BOTH)
        ends_incoming = mode in (SelfTradePrevention.NEWEST, SelfTradePrevention.BOTH)
        if mode == SelfTradePrevention.DECREMENT:
            quantity = min(resting.leaves, incoming.leaves)
            self.take_off(resting, quantity, Reason.SELF_TRADE)
            self.take_off(incoming, quantity, Reason.SELF_TRADE)
        if ends_resting:
            self.take_off(resting, resting.leaves, Reason.SELF_TRADE)
        if ends_incoming:
            self.take_off(incoming, incoming.leaves, Reason.SELF_TRADE)

    # Stops

    def reached(self, instrument: Instrument, prices: list[int], base: int) -> list[Order]:
        """The waiting stops that trades at these prices trigger, nearest to `base` first."""
        if not prices:
            return []
        low, high = min(prices), max(prices)
        stops = [order for order in instrument.waiting.values() if order.is_reached(low, high)]
        return sorted(stops, key=lambda order: (abs(order.stop - base), order.accepted))

    def run_stops(self, instrument: Instrument, wave: list[Order], base: int) -> None:
        """Run triggered stops first come, first served; what each run triggers queues behind.

        Where a collar ends continuous trading in between, the others run into the auction: they
        rest if their kind may, and are cancelled if not.
        """
        queue = deque(self._trigger(wave))
        while queue:
            prices = self._run(queue.popleft())
            queue.extend(self._trigger(self.reached(instrument, prices, base)))

    def _trigger(self, wave: list[Order]) -> list[Order]:
        """Take the stops out of waiting, and say so."""
        for order in wave:
            order.instrument.leave(order)
            order.waiting = False
            order.shown = order.slice
            self.say(EventKind.TRIGGERED, order, order.leaves)
        return wave

    # Phases

    def change_phase(
        self, instrument: Instrument, phase: int, asker: tuple[int, int] = (0, 0)
    ) -> None:
        """Go to a phase: close the day, or uncross, and then run the stops that this reaches.

        `asker` is session and user_ref of the PHASE command, where it is one.
        """
        base = instrument.last or instrument.reference
        prices: list[int] = []
        volume = 0
        if phase == Phase.CLOSED:
            self._end(instrument, Reason.END_OF_DAY, lambda order: order.tif == TimeInForce.DAY)
        if phase == Phase.CONTINUOUS:
            prices, volume = self._uncross(instrument)
        instrument.phase = phase
        self.emit(
            EventKind.PHASE_CHANGED,
            price=prices[-1] if prices else 0,
            quantity=min(volume, QUANTITY_MAX),
            session=asker[0],
            user_ref=asker[1],
            instrument=instrument.id,
            flags=phase,
        )
        if phase == Phase.CONTINUOUS and instrument.last:
            reached = self.reached(instrument, [*prices, instrument.last], base)
            self.run_stops(instrument, reached, base)

    def _uncross(self, instrument: Instrument) -> tuple[list[int], int]:
        """Uncross until nothing crosses: the prices that traded, and the volume of all."""
        prices, volume = [], 0
        while (price := instrument.uncross_price()) is not None:
            traded = self._pair(instrument, price)
            if traded:
                prices.append(price)
                volume += traded
        return prices, volume

    def _pair(self, instrument: Instrument, price: int) -> int:
        """Trade by price, then time, all at one price, until a side has nothing left at it."""
        volume = 0
        while True:
            buy, sell = instrument.front(BUY), instrument.front(SELL)
            if buy is None or sell is None or not buy.price >= price >= sell.price:
                return volume
            earlier, later = (buy, sell) if buy.accepted < sell.accepted else (sell, buy)
            if later.stp != SelfTradePrevention.NONE and buy.account.related(sell.account):
                self._prevent(earlier, later)
                continue
            quantity = min(buy.leaves, sell.leaves)
            self._fill(earlier, later, price, quantity, auction=True)
            volume += quantity

    def _trip_collar(self, instrument: Instrument) -> None:
        """From continuous trading into an auction of the collar's length.

        Its end takes the place of an earlier collar's, and lifts nothing but an auction.
        """
        self.change_phase(instrument, Phase.AUCTION)
        cause = SCHEDULED_BY["collar"]
        due_s = self.now_ns // NANOSECONDS + instrument.collar_s
        self.agenda.drop_phases(instrument.id, cause)
        self.agenda.add_phase(instrument.id, due_s, Phase.CONTINUOUS, cause)

    # Time

    def do_next_due(self) -> bool:
        """Do what is due by now and comes first: by second, class, instrument, then order of
        scheduling. False where nothing is."""
        due = self.agenda.take(self.now_ns)
        if due is None:
            return False
        (due_s, work, number, _), (phase, cause) = due
        instrument = self.instruments[number]
        if work == EXPIRY:
            self._expire(instrument, due_s)
        elif work == GATE:
            self._close_gate(instrument)
        else:
            self._change_phase_on_time(instrument, phase, cause)
        return True

    def _change_phase_on_time(self, instrument: Instrument, phase: int, cause: int) -> None:
        """Do a scheduled change that still means something."""
        if cause == SCHEDULED_BY["close"]:
            instrument.close_s = 0
        lifts_halt = cause == SCHEDULED_BY["collar"] and instrument.phase != Phase.AUCTION
        if not (instrument.gated or instrument.phase == phase or lifts_halt):
            self.change_phase(instrument, phase)

    def _expire(self, instrument: Instrument, due_s: int) -> None:
        """End the GTD orders of this second and, at the close, DAY orders: by acceptance.

        A block ends in time with its first hour's orders, a DAY block with the day of any hour.
        """
        for order in self.in_acceptance(lambda order: order.covers(instrument)):
            if order.tif == TimeInForce.GTD and order.expiry_s == due_s:
                if order.instrument is instrument:
                    self.take_off(order, order.leaves, Reason.END_OF_TIME)
            elif order.tif == TimeInForce.DAY and instrument.close_s == due_s:
                self.take_off(order, order.leaves, Reason.END_OF_DAY)

    def _close_gate(self, instrument: Instrument) -> None:
        """End every order; the instrument never trades again."""
        self._end(instrument, Reason.GATE_CLOSURE, lambda _: True)
        instrument.gate_s = 0
        instrument.gated = True
        if instrument.phase != Phase.CLOSED:
            self.change_phase(instrument, Phase.CLOSED)

    def _end(self, instrument: Instrument, reason: int, wanted: Callable[[Order], bool]) -> None:
        """End the instrument's orders that are wanted, in acceptance sequence."""
        for order in self.in_acceptance(lambda order: order.covers(instrument)):
            if wanted(order):
                self.take_off(order, order.leaves, reason)
