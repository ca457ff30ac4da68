"""A generator of random command streams from a seed, with many edge cases.

A stream starts with the venue's commands (instruments, sessions, accounts, money, capacity) and
continues with commands of its features. The seed also draws the sizes: a band of three ticks or of
sixty, little money or very much, pools that fill. The generator does not see the events of a
machine; it cancels and replaces refs that it used recently, most of which are live.
"""

from dataclasses import dataclass
from enum import IntFlag, auto
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from matching.limits import Limits
from matching.records import (
    COMMAND,
    FUNDED_MAX_FEN,
    NANOSECONDS,
    POSITION_MAX,
    TIME_MAX_NS,
    CommandFlag,
    CommandKind,
    MassCancelScope,
    OrderType,
    Phase,
    SelfTradePrevention,
    Side,
    TimeInForce,
)

START_S = 1_700_000_000
INT32_MAX = 2**31 - 1
LASTING = (TimeInForce.DAY, TimeInForce.GTC, TimeInForce.GTD)


class Features(IntFlag):
    """Contents of a stream besides limit orders, cancels, replaces and administration."""

    TYPES = auto()  # market, FOK, post-only
    STOPS = auto()
    ICEBERGS = auto()
    PREVENTION = auto()
    AUCTIONS = auto()  # pre-open, auction
    COLLARS = auto()
    MALFORMED = auto()
    BLOCKS = auto()  # and instruments in sequence
    QUOTES = auto()  # and their protection
    BASKETS = auto()  # with blocks: several sequences, and baskets of their instruments


BASIC = Features(0)
WITH_BASKETS = ~Features(0)
WITH_BLOCKS = WITH_BASKETS & ~Features.BASKETS
ALL = WITH_BLOCKS & ~Features.BLOCKS


class Stream(NamedTuple):
    """Commands, and the limits of the machine that they were written for."""

    limits: Limits
    commands: NDArray[np.void]


@dataclass
class World:
    """Sizes and scarcities, which a seed draws once."""

    limits: Limits
    instruments: int
    accounts: int
    sessions: int
    low: int
    width: int
    tick_fen: int
    rate_max: int
    deposit_fen: int
    money_fen: int
    capacity: int
    step_ns: int  # mean time between commands

    @property
    def high(self) -> int:
        return self.low + self.width - 1


def stream(seed: int, count: int, features: Features = ALL) -> Stream:
    """About `count` commands; the same seed, count and features give the same bytes."""
    return _Generator(seed, count, features).write()


WIDE = 4_200
"""Ticks of the band in one seed of 16, where the bitmaps of books have more than one group."""


def garbage(seed: int, count: int) -> Stream:
    """Commands of random bytes, after a stream that sets the machine up and enters orders.

    A third has random bytes, but a time that does not go back and a kind that exists. A third is
    valid commands with a few bytes changed. The rest is noise.
    """
    random = np.random.default_rng([seed, 2])
    features = WITH_BLOCKS if seed % 2 else ALL
    limits, commands = stream(seed, count + 200, features)
    commands = commands.copy()
    tail = commands[-count:]
    as_bytes = tail.view(np.uint8).reshape(count, COMMAND.itemsize)
    noise = random.integers(0, 256, (count, COMMAND.itemsize), dtype=np.uint8)
    choice = random.integers(0, 3, count)
    times, kinds, sequences = (tail[name].copy() for name in ("time_ns", "kind", "sequence"))
    as_bytes[choice == 0] = noise[choice == 0]
    as_bytes[choice == 1] = noise[choice == 1]
    changed = (random.random((count, COMMAND.itemsize)) < 0.03) & (choice == 2)[:, None]
    as_bytes[changed] = noise[changed]
    # A time far ahead would make all later commands malformed.
    jumps = (tail["time_ns"] > times.max()) & (random.random(count) < 0.999)
    for name, values, where in (
        ("time_ns", times, (choice == 1) | jumps),
        ("kind", kinds, choice == 1),
        ("sequence", sequences, np.ones(count, bool)),
    ):
        tail[name][where] = values[where]
    for fee in ("stop", "display"):  # of a BUST: a fee that was not charged may not come back
        tail[fee] = np.where(tail["kind"] == CommandKind.BUST, np.minimum(tail[fee], 0), tail[fee])
    return Stream(limits, commands)


class _Generator:
    """Writes one stream, command by command."""

    def __init__(self, seed: int, count: int, features: Features) -> None:
        self.random = np.random.default_rng([seed, 1])
        self.features = features
        self.count = count
        self.has_wide_band = seed % 16 == 11
        few = np.random.default_rng([seed, 2]).random(3) < 0.3  # shares that are used up
        self.shares = {
            "session_orders": 12 if few[0] else 1 << 14,
            "session_blocks": 2 if few[1] else 64,
            "session_ref_pages": 3 if few[2] else 256,
        }
        self.world = self._draw_world()
        self.now_ns = START_S * NANOSECONDS
        self.rows: list[dict[str, int]] = []
        self.listed = 0
        self.head_count = 0  # instruments listed before the first order
        self.recent: list[tuple[int, int]] = []  # session, ref: used recently
        self.quotes: list[dict[str, int]] = []  # session, account, instrument, name: used recently
        self.halted: list[int] = []
        self.recent_max = self.one_of(5, 20, 60)
        self.not_trading: list[int] = []  # instruments that may have left continuous trading
        self.next_ref = 1
        self.mid_price = self.world.low + self.world.width // 2
        self.last_block: dict[str, int] = {}
        self.is_rising = seed % 4 != 1  # later hours have higher numbers
        self.sequences = 2 + seed // 8 % 2 if self.of(Features.BASKETS) else 1

    # Random draws

    def below(self, bound: int) -> int:
        return int(self.random.integers(0, bound))

    def between(self, low: int, high: int) -> int:
        return int(self.random.integers(low, high, endpoint=True))

    def chance(self, share: float) -> bool:
        return bool(self.random.random() < share)

    def one_of(self, *values: int) -> int:
        return int(values[self.below(len(values))])

    def of(self, features: Features) -> bool:
        return bool(self.features & features)

    # Sizes

    def _draw_world(self) -> World:
        huge = self.chance(0.1)
        instruments = self.between(1, 4) + self.count // 4000
        blocks = 1_024
        if self.of(Features.BLOCKS):
            instruments += 5 if self.of(Features.BASKETS) else 3
            blocks = self.one_of(1, 3, 20, 20)
        width = self.one_of(1, 3, 8, 20, 60, 130)
        if self.has_wide_band:
            width = WIDE
        tick_fen = 1_000_000 if huge else self.one_of(1, 1, 7, 1000)
        low = INT32_MAX - width + 1 if huge else self.one_of(1, 50, 1000, 99_990)
        accounts = self.between(2, 8)
        limits = Limits(
            sessions=self.between(3, 6),
            accounts=accounts,
            instruments=instruments,
            orders=self.one_of(6, 40, 200, 200, 2000),
            blocks=blocks,
            baskets=self.one_of(1, 2, 2) if self.of(Features.BASKETS) else 64,
            refs=self.one_of(64, 5000, 1 << 16, 1 << 20),
            ref_pages=self.one_of(2, 6, 64, 256, 256, 256),
            **self.shares,
            ticks=max(instruments, 2) * width - (1 if instruments > 3 and self.chance(0.3) else 0),
            events=self.one_of(16, 64, 1024),
        )
        lot_fen = tick_fen * (low + width)
        return World(
            limits=limits,
            instruments=instruments,
            accounts=accounts,
            sessions=limits.sessions,
            low=low,
            width=width,
            tick_fen=tick_fen,
            rate_max=self.one_of(0, 500, 500, 3_333, 100_000),
            deposit_fen=self.one_of(0, 0, 1, lot_fen // 10 % INT32_MAX),
            money_fen=min(
                lot_fen * self.one_of(5, 60, 600, 10_000, 10_000), FUNDED_MAX_FEN // accounts
            ),
            capacity=self.one_of(3, 30, 300, 100_000, 100_000, POSITION_MAX),
            step_ns=self.one_of(1, 10**6, 10**7, 10**8),
        )

    def write(self) -> Stream:
        self._write_setup()
        while len(self.rows) < self.count:
            self._pass_time()
            self._write_one()
        commands = np.zeros(len(self.rows), COMMAND)
        for index, row in enumerate(self.rows):
            command = commands[index]
            for name, value in row.items():
                command[name] = value
        commands["sequence"] = np.arange(1, len(commands) + 1)
        return Stream(self.world.limits, commands)

    def send(self, kind: int, **fields: int) -> None:
        self.rows.append({"kind": kind, "time_ns": self.now_ns, **fields})

    def _pass_time(self) -> None:
        roll = self.random.random()
        if roll < 0.5:
            self.now_ns += int(self.random.exponential(self.world.step_ns))
        elif roll < 0.52:
            self.now_ns += self.between(0, 3) * NANOSECONDS
        elif roll < 0.53:  # to a whole second, where things fall due
            self.now_ns = (self.now_ns // NANOSECONDS + 1) * NANOSECONDS
        elif roll < 0.5305:  # later than any time that is taken
            self.send(CommandKind.CLOCK, time_ns=self.one_of(TIME_MAX_NS + 1, 2**63 - 1))

    @property
    def now_s(self) -> int:
        return self.now_ns // NANOSECONDS

    # Setup

    def _write_setup(self) -> None:
        world = self.world
        for session in range(1, world.sessions + 1):
            firm = 1 + session % 2
            flags = CommandFlag.OPERATOR if session == world.sessions else 0
            self.send(CommandKind.SESSION, target_ref=session, account=firm, flags=flags)
        for account in range(1, world.accounts + 1):
            group = self.one_of(0, 0, 1, 2)
            firm = 1 + account % 2
            self.send(CommandKind.ACCOUNT, account=account, target_ref=firm, quantity=group)
            self.send(CommandKind.FUND, account=account, amount_fen=world.money_fen)
        most = 6 if self.of(Features.BASKETS) else 5 if self.of(Features.BLOCKS) else 3
        for _ in range(min(world.instruments, most)):
            self._list()
        self.head_count = self.listed
        if self.of(Features.BASKETS):
            for number in self.random.permutation(self.sequences).tolist():
                first = 1 + number if self.is_rising else self.listed - number
                self._list_basket(first)

    def _list(self) -> None:
        """List the next instrument and open it."""
        world = self.world
        self.listed += 1
        number = self.listed
        reference = self.between(max(1, world.low - 2), min(INT32_MAX, world.high + 2))
        self.send(CommandKind.LIST, instrument=number, price=reference, quantity=world.tick_fen)
        self.send(CommandKind.BAND, instrument=number, price=world.low, stop=world.high)
        self._set_fees(number)
        if self.of(Features.COLLARS) and self.chance(0.5):
            self._set_collar(number)
        if self.of(Features.BLOCKS) and self.chance(0.98):
            self._link_sequence(number)
        for account in range(1, world.accounts + 1):
            if self.chance(0.8):
                lots = self.between(1, world.capacity)
                self.send(CommandKind.REGISTER, account=account, instrument=number, quantity=lots)
        if self.of(Features.AUCTIONS) and self.chance(0.5):
            self.not_trading.append(number)
            self.send(CommandKind.PHASE, instrument=number, type=Phase.PRE_OPEN)
        else:
            self.send(CommandKind.PHASE, instrument=number, type=Phase.CONTINUOUS)

    def _link_sequence(self, number: int) -> None:
        """Link an instrument to its sequence; seldom to another one."""
        longest = self.one_of(168, 168, 168, 168, 3)
        before = (
            max(0, number - self.sequences) if self.chance(0.98) else self.between(0, number + 1)
        )
        if not self.is_rising:
            number, before = before, number
        self.send(CommandKind.SEQUENCE, instrument=number, target_ref=before, quantity=longest)

    def _set_fees(self, number: int) -> None:
        maker, taker = (self.between(0, self.world.rate_max) for _ in range(2))
        deposit_fen = self.one_of(self.world.deposit_fen, self.world.deposit_fen, 0, 2)
        self.send(
            CommandKind.FEES, instrument=number, price=maker, stop=taker, quantity=deposit_fen
        )

    def _set_collar(self, number: int) -> None:
        self.not_trading.append(number)
        collar = self.one_of(0, 1, 2, max(1, self.world.width // 4))
        self.send(
            CommandKind.COLLAR,
            instrument=number,
            price=collar,
            quantity=self.between(1, 5),
            display=self.one_of(0, 0, 2),
            stop=self.one_of(0, 0, 1, 3),
        )

    # One command

    def _write_one(self) -> None:
        start = len(self.rows)
        roll = self.random.random()
        if self.not_trading and self.chance(0.25 if self.of(Features.BLOCKS) else 0.06):
            number = self.not_trading.pop(self.below(len(self.not_trading)))
            self.send(CommandKind.PHASE, instrument=number, type=Phase.CONTINUOUS)
        elif self.halted and self.chance(0.1 if self.of(Features.BLOCKS) else 0.03):
            self.send(CommandKind.HALT_ACCOUNT, account=self.halted.pop())
        elif roll < 0.62:
            if self.of(Features.BASKETS) and self.chance(0.35):
                self._new_for_basket()
            elif self.of(Features.BLOCKS) and self.chance(0.35):
                self._new_block()
            elif self.of(Features.QUOTES) and self.chance(0.15):
                self._quote()
            else:
                self._new()
        elif roll < 0.73:
            self._cancel()
        elif roll < 0.88:
            self._replace()
        elif roll < 0.886:
            self._mass_cancel()
        elif roll < 0.91:
            seed = self.one_of(0, 0, 5, 2**40 + 3, -7)
            session = self.one_of(0, 0, 0, self.world.sessions, 1)
            self.send(CommandKind.CLOCK, session=session, amount_fen=seed)
        elif roll < 0.93:
            self._change_phase()
        else:
            self._administer()
        if self.of(Features.MALFORMED) and self.chance(0.02) and len(self.rows) > start:
            self._spoil(self.rows[-1])

    def _instrument(self) -> int:
        """A listed instrument, most often the newest; seldom one that does not exist."""
        if self.chance(0.005):
            return self.one_of(0, self.listed + 1, 2**32 - 1)
        if self.of(Features.BLOCKS):
            return max(1, self.listed - self.below(5))
        return max(1, self.listed - self.below(self.one_of(1, 2, 4)))

    def _owner(self) -> tuple[int, int]:
        """A session and an account of its firm; seldom of the other firm."""
        account = self.between(1, self.world.accounts)
        session = self.between(1, self.world.sessions)
        if session % 2 != account % 2 and not self.chance(0.01):
            session = session - 1 if session > 1 else 2
        return session, account

    def _price(self, side: int) -> int:
        """A price near the middle, where orders trade, or at the edges of the band."""
        world = self.world
        if self.chance(0.03):
            return max(1, min(INT32_MAX, self.one_of(world.low - 1, world.high + 1)))
        if self.chance(0.07):
            return self.one_of(world.low, world.high)
        if self.chance(0.02):
            self.mid_price = self.between(world.low, world.high)
        distance = int(self.random.geometric(0.3)) - 2
        price = self.mid_price - distance if side == Side.BUY else self.mid_price + distance
        return max(world.low, min(world.high, price))

    def _quantity(self) -> int:
        roll = self.random.random()
        if roll < 0.35:
            return 1
        if roll < 0.95:
            return self.between(1, 12)
        if roll < 0.99:
            return self.between(1, 300)
        return self.one_of(INT32_MAX, POSITION_MAX, self.world.capacity, 4, 5)

    def _new_ref(self, session: int) -> int:
        """The ref of a new order: the next one, seldom one that was used."""
        if self.recent and self.chance(0.05):
            return self.recent[self.below(len(self.recent))][1]
        # Refs that wrap around let pages of refs fill and empty.
        self.next_ref = self.next_ref % (self.world.limits.refs - 1) + 1
        if self.chance(0.02):
            self.next_ref = self.between(1, self.world.limits.refs - 1)
        return self.next_ref

    def _expiry_s(self) -> int:
        return self.now_s + self.one_of(1, 1, 2, 3, 5, 20) - self.chance(0.03)

    def _new(self) -> None:
        session, account = self._owner()
        side = self.below(2)
        fields: dict[str, int] = {
            "type": OrderType.LIMIT,
            "tif": self.one_of(*LASTING, TimeInForce.GTC, TimeInForce.DAY, TimeInForce.IOC),
            "side": side,
            "price": self._price(side),
            "quantity": self._quantity(),
            "session": session,
            "account": account,
            "instrument": self._instrument(),
            "user_ref": self._new_ref(session),
        }
        if self.of(Features.PREVENTION) and self.chance(0.6):
            fields["stp"] = self.below(len(SelfTradePrevention))
        self._make_special(fields)
        if fields["tif"] == TimeInForce.GTD:
            fields["expiry_s"] = self._expiry_s()
        if fields["tif"] in LASTING and fields["type"] != OrderType.MARKET:
            self.recent = [*self.recent[-self.recent_max :], (session, fields["user_ref"])]
        self.send(CommandKind.NEW, **fields)

    def _quote(self) -> None:
        """A quote, most often one that changes an earlier one; seldom a protection."""
        if self.chance(0.06):
            self._protect()
            return
        if self.quotes and self.chance(0.7):
            names = dict(self.quotes[self.below(len(self.quotes))])
        else:
            session, account = self._owner()
            instrument, ref = self._instrument(), self._new_ref(session)
            names = {"session": session, "account": account, "instrument": instrument}
            names["target_ref"] = ref
            self.quotes = [*self.quotes[-5:], names]
            self.recent += [(session, ref), (session, ref + 1)]
            self.next_ref = max(self.next_ref, ref + 1)
        if self.chance(0.03):
            names["target_ref"] = max(0, self._target()[1] - self.one_of(0, 0, 1))
        bid = self._price(Side.BUY)
        ask = min(INT32_MAX, max(self._price(Side.SELL), bid + self.one_of(0, 1, 1, 1, 2)))
        if self.chance(0.1):
            bid = ask = self.one_of(bid, ask)
        fields = {"price": bid, "quantity": self._quantity()}
        fields |= {"stop": ask, "display": self._quantity()}
        for price, quantity in (("price", "quantity"), ("stop", "display")):
            if self.chance(0.1):
                fields |= {price: 0, quantity: 0}
        if self.of(Features.PREVENTION) and self.chance(0.4):
            fields["stp"] = self.below(len(SelfTradePrevention))
        self.send(
            CommandKind.QUOTE,
            type=OrderType.LIMIT,
            tif=TimeInForce.DAY,
            flags=CommandFlag.POST_ONLY if self.chance(0.2) else 0,
            user_ref=self._own_ref(),
            **names,
            **fields,
        )

    def _protect(self) -> None:
        session, account = self._owner()
        lot_fen = self.world.tick_fen * self.world.high
        bounds = {
            "quantity": self.one_of(0, 0, 1, 6, 30),
            "display": self.one_of(0, 0, 1, 2, 5),
            "amount_fen": self.one_of(0, 0, 4 * lot_fen, 1),
        }
        seconds = self.one_of(1, 3, 60) if any(bounds.values()) else 0
        self.send(
            CommandKind.PROTECT,
            session=session,
            account=account,
            user_ref=self._own_ref(),
            expiry_s=seconds,
            **bounds,
        )

    def _new_block(self) -> None:
        """A block; half of them are the opposite of the block before."""
        session, account = self._owner()
        side = self.below(2)
        hours = self.one_of(2, 2, 2, 3, 3, 4)
        first = max(1, self.listed + 1 - hours - self.below(3))
        if not self.is_rising:
            first = max(1, self.listed - self.below(3))
        if self.chance(0.05):
            first = self._instrument()
        fields = {"instrument": first, "hours": hours}
        fields |= {"quantity": self._quantity(), "side": side, "price": self._price(side)}
        if self.last_block and self.chance(0.5):
            fields = self.last_block | {"side": 1 - self.last_block["side"]}
            if self.chance(0.3):
                fields["price"] = self._price(fields["side"])
        self.last_block = dict(fields)
        life = (TimeInForce.DAY, TimeInForce.DAY, TimeInForce.GTD, TimeInForce.GTD)
        fields["tif"] = self.one_of(*life, TimeInForce.IOC, TimeInForce.FOK)
        if self.chance(0.4):
            fields["stp"] = self.below(len(SelfTradePrevention))
        if fields["tif"] == TimeInForce.GTD:
            fields["expiry_s"] = self._expiry_s()
        fields |= {"session": session, "account": account, "user_ref": self._new_ref(session)}
        if fields["tif"] in LASTING:
            self.recent = [*self.recent[-self.recent_max :], (session, fields["user_ref"])]
        self.send(CommandKind.NEW, type=OrderType.LIMIT, **fields)

    def _new_for_basket(self) -> None:
        """An order for a basket, of one hour or of several."""
        session, account = self._owner()
        side = self.below(2)
        hours = self.one_of(0, 0, 0, 0, 2, 2, 3)
        early = self.between(1, min(self.head_count, self.sequences * (3 if hours == 0 else 2)))
        first = early if self.is_rising else max(1, self.head_count + 1 - early)
        self.send(
            CommandKind.NEW,
            type=OrderType.LIMIT,
            tif=self.one_of(TimeInForce.IOC, TimeInForce.IOC, TimeInForce.FOK),
            flags=self.one_of(CommandFlag.SPLIT, CommandFlag.WHOLE),
            target_ref=self.one_of(0, 2, 2, 3) if self.chance(0.08) else 1,
            instrument=self._instrument() if self.chance(0.1) else first,
            hours=hours,
            side=side,
            price=self._price(1 - side if self.chance(0.8) else side),
            quantity=min(INT32_MAX, self._quantity() * self.one_of(1, 1, 3, 8)),
            stp=self.below(len(SelfTradePrevention)) if self.chance(0.4) else 0,
            session=session,
            account=account,
            user_ref=self._new_ref(session),
        )

    def _list_basket(self, instrument: int) -> None:
        number = self.one_of(1, 2, 2, 3) if self.chance(0.2) else 1
        self.send(CommandKind.BASKET, target_ref=number, instrument=instrument)

    def _make_special(self, fields: dict[str, int]) -> None:
        """Change some limit orders into rarer types."""
        roll = self.random.random()
        lasting = fields["tif"] in LASTING
        if self.of(Features.TYPES) and fields["tif"] == TimeInForce.IOC and self.chance(0.2):
            fields["display"] = self.between(1, fields["quantity"])
        if self.of(Features.TYPES) and roll < 0.08:
            fields["tif"] = TimeInForce.FOK
            if self.chance(0.2):
                fields |= {"type": OrderType.MARKET, "price": 0}
        elif self.of(Features.TYPES) and roll < 0.14:
            fields |= {"type": OrderType.MARKET, "price": 0}
        elif self.of(Features.TYPES) and roll < 0.20:
            if lasting:
                fields["flags"] = CommandFlag.POST_ONLY
        elif self.of(Features.STOPS) and roll < 0.38:
            fields["stop"] = self._price(1 - fields["side"])
            fields["type"] = OrderType.STOP_LIMIT
            if self.chance(0.4):
                fields |= {"type": OrderType.STOP, "price": 0}
        if (
            self.of(Features.ICEBERGS)
            and lasting
            and fields["price"]
            and fields["tif"] in LASTING
            and self.chance(0.3)
        ):
            fields["display"] = self.between(1, min(fields["quantity"], 4))

    def _target(self) -> tuple[int, int]:
        """Session and ref of an order sent recently; seldom something else."""
        if not self.recent or self.chance(0.03):
            return self.between(0, self.world.sessions), self.one_of(0, 1, 7, 2**32 - 1)
        return self.recent[self.below(len(self.recent))]

    def _own_ref(self) -> int:
        return self.between(1, self.world.limits.refs - 1)

    def _cancel(self) -> None:
        session, target = self._target()
        if (session, target) in self.recent and self.chance(0.8):
            self.recent.remove((session, target))
        self.send(CommandKind.CANCEL, session=session, target_ref=target, user_ref=self._own_ref())

    def _replace(self) -> None:
        session, target = self._target()
        fields: dict[str, int] = {"quantity": self._quantity()}
        if self.chance(0.4):
            fields["price"] = self._price(self.below(2))
        if self.chance(0.3):
            fields["flags"] = CommandFlag.REQUEUE
        if self.of(Features.STOPS) and self.chance(0.15):
            fields["stop"] = self._price(self.below(2))
        if self.of(Features.ICEBERGS) and self.chance(0.15):
            fields["display"] = self.between(1, min(fields["quantity"], 6))
        if self.chance(0.1):
            fields["expiry_s"] = self._expiry_s()
        if self.chance(0.03):
            fields["quantity"] = 0
        ref = self._own_ref()
        self.send(CommandKind.REPLACE, session=session, target_ref=target, user_ref=ref, **fields)

    def _mass_cancel(self) -> None:
        session, account = self._owner()
        self.send(
            CommandKind.MASS_CANCEL,
            session=self.one_of(0, session, session, session),
            target_ref=self.between(0, self.world.sessions),
            account=account,
            instrument=self._instrument(),
            type=self.one_of(*MassCancelScope),
            user_ref=self._own_ref(),
        )

    def _change_phase(self) -> None:
        """Leave continuous trading or return to it, now or in a few seconds."""
        phases = [Phase.CONTINUOUS] * 2 + [Phase.HALTED]
        if self.of(Features.AUCTIONS):
            phases += [Phase.PRE_OPEN, Phase.AUCTION, Phase.AUCTION]
        if self.chance(0.1):
            phases = [Phase.CLOSED]
        phase = self.one_of(*phases)
        fields: dict[str, int] = {}
        if self.chance(0.15):
            fields["expiry_s"] = self.now_s + self.between(0, 4)
        operator = self.one_of(0, 0, self.world.sessions, 1)
        number = self._instrument()
        self.not_trading.append(number)
        self.send(CommandKind.PHASE, session=operator, instrument=number, type=phase, **fields)

    # Administrative commands

    def _administer(self) -> None:
        actions = [self._fund, self._withdraw, self._register, self._limit, self._halt]
        actions += [self._times, self._reset, self._open, self._fund, self._register]
        actions += [self._bust, self._bust]
        if self.of(Features.BASKETS):
            actions.append(lambda: self._list_basket(self._instrument()))
        if self.of(Features.COLLARS):
            actions.append(lambda: self._set_collar(self._instrument()))
        actions[self.below(len(actions))]()

    def _account(self) -> int:
        return self.between(1, self.world.accounts) if self.chance(0.98) else self.one_of(0, 99)

    def _fund(self) -> None:
        world = self.world
        amount_fen = self.between(1, max(1, world.money_fen // 4))
        if self.chance(0.02):
            amount_fen = self.one_of(FUNDED_MAX_FEN, 2**63 - 1, 0, -1)
        self.send(CommandKind.FUND, account=self._account(), amount_fen=amount_fen)

    def _withdraw(self) -> None:
        amount_fen = self.one_of(1, 2, self.between(1, self.world.money_fen))
        self.send(CommandKind.WITHDRAW, account=self._account(), amount_fen=amount_fen)

    def _register(self) -> None:
        lots = self.one_of(1, 5, -1, -5, self.world.capacity, -self.world.capacity)
        account, instrument = self._account(), self._instrument()
        is_carried = self.chance(0.3)
        carried = {"seller": self._account(), "flags": CommandFlag.CARRIED}
        self.send(
            CommandKind.REGISTER, account=account, instrument=instrument, quantity=lots,
            **(carried if is_carried else {}),
        )  # fmt: skip
        if is_carried and self.chance(0.2):  # while the seller's deposit is held
            self._set_fees(instrument)

    def _bust(self) -> None:
        """Bust a trade that may exist, without fees: only fees that were charged come back."""
        self.send(
            CommandKind.BUST,
            account=self._account(),
            seller=self._account(),
            instrument=self._instrument(),
            target_ref=self.one_of(1, 1, 2, 9, 999_999, 0),
            price=self.between(max(1, self.world.low - 1), self.world.high),
            quantity=self.one_of(1, 1, 1, 2, 5, 5, 0, INT32_MAX),
            side=self.one_of(0, 1, 0, 1, 0, 1, 2),
        )

    def _limit(self) -> None:
        lot_fen = self.world.tick_fen * self.world.high
        self.send(
            CommandKind.LIMITS,
            account=self._account(),
            quantity=self.one_of(0, 0, 0, 5, 12),
            display=self.one_of(0, 0, 0, 10, 60, INT32_MAX),
            amount_fen=self.one_of(0, 0, 0, 5 * lot_fen, 12 * lot_fen),
        )

    def _halt(self) -> None:
        account = self._account()
        self.halted.append(account)
        self.send(CommandKind.HALT_ACCOUNT, account=account, flags=CommandFlag.HALT)

    def _times(self) -> None:
        """Set the times of an instrument; a gate closure is followed by a new instrument."""
        number = self._instrument()
        gate = self.listed < self.world.instruments and self.chance(0.3)
        close_s = self.now_s + self.between(0, 6) if self.chance(0.8) else 0
        gate_s = self.now_s + self.between(0, 9) if gate else 0
        self.not_trading.append(number)
        self.send(CommandKind.TIMES, instrument=number, expiry_s=close_s, target_ref=gate_s)
        if gate:
            self._list()

    def _reset(self) -> None:
        """Set fees or band, which only an instrument without orders accepts."""
        number, world = self._instrument(), self.world
        if self.chance(0.5):
            self._set_fees(number)
        else:
            low = max(1, min(INT32_MAX, world.low + self.between(-1, 1)))
            high = min(INT32_MAX, max(low, world.high + self.between(-1, 1)))
            self.send(CommandKind.BAND, instrument=number, price=low, stop=high)

    def _open(self) -> None:
        """Open sessions, accounts and instruments, most of which exist already."""
        kind = self.one_of(CommandKind.SESSION, CommandKind.ACCOUNT, CommandKind.LIST)
        number = self.between(0, self.world.sessions + 1)
        fields: dict[str, int] = {
            "session": self.one_of(0, self.world.sessions, 1),
            "target_ref": number,
            "account": self.between(0, 2),
            "quantity": self.between(0, 2),
        }
        if kind == CommandKind.LIST:
            fields |= {"instrument": self._instrument(), "price": 1}
        if kind == CommandKind.SESSION and number == self.world.sessions:
            fields["flags"] = CommandFlag.OPERATOR
        self.send(kind, **fields)

    def _spoil(self, row: dict[str, int]) -> None:
        """Set one field to a value at the edge of its range or beyond it."""
        edges: dict[str, Any] = {
            "price": (0, -1, INT32_MAX, -(2**31)),
            "stop": (0, -1, 1, INT32_MAX),
            "quantity": (0, -1, INT32_MAX, -(2**31)),
            "display": (-1, 1, INT32_MAX),
            "session": (0, 2**16, 2**32 - 1),
            "user_ref": (0, self.world.limits.refs, self.world.limits.refs - 1, 2**32 - 1),
            "target_ref": (0, 2**32 - 1),
            "account": (0, 2**32 - 1),
            "instrument": (0, 2**32 - 1),
            "expiry_s": (0, 1, 2**32 - 1),
            "kind": (0, 5, 6, 7, 15, 31, 38, 39, 47, 48, 255),
            "side": (2, 255),
            "type": (0, 5, 6, 255),
            "tif": (2, 5, 7, 255),
            "stp": (5, 255),
            "flags": (1, 2, 4, 8, 16, 32, 64, 96, 255),
            "hours": (1, 2, 168, 169, 255),
            "spare": (1, 255),
            "time_ns": (-1, 0, row["time_ns"] - 1),
        }
        name = list(edges)[self.below(len(edges))]
        if name in ("price", "stop"):
            row.pop("amount_fen", None)
        row[name] = self.one_of(*edges[name])
        if row["kind"] == CommandKind.BUST:  # fees that were not charged may not come back
            for fee in ("stop", "display"):
                row[fee] = min(row.get(fee, 0), 0)
