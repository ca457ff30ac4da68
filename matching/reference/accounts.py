"""Sessions and accounts of the reference: rights, limits, money and positions."""

from dataclasses import dataclass, field

from matching.records import NANOSECONDS, POSITION_MAX


@dataclass(slots=True)
class Session:
    """An open session: it may trade the accounts of its firm; an operator runs the venue."""

    firm: int
    operator: bool


@dataclass(slots=True)
class Position:
    """Position of an account in one instrument, in lots."""

    registered: int = 0  # capacity that a supplier may sell
    net: int = 0  # bought - sold
    open: list[int] = field(default_factory=lambda: [0, 0])  # leaves of its live orders, by side
    deposit_fen: int = 0  # held for what is sold or offered beyond what was bought

    @property
    def available(self) -> int:
        """Lots that may still be offered for sale."""
        return self.registered + self.net - self.open[1]


@dataclass(slots=True)
class Protection:
    """Bounds of what the quotes of an account may trade within a time (0: none), and what they
    have traded since it began."""

    lots_max: int
    fills_max: int
    notional_max_fen: int
    window_s: int
    began_ns: int = 0
    lots: int = 0
    fills: int = 0
    notional_fen: int = 0
    tripped: bool = False

    def note_fill(self, now_ns: int, lots: int, notional_fen: int) -> bool:
        """Count a fill; returns whether it reaches a bound, the first time. The first fill after
        the end of a time begins another."""
        if self.tripped:
            return False
        if self.fills == 0 or now_ns - self.began_ns >= self.window_s * NANOSECONDS:
            self.began_ns, self.lots, self.fills, self.notional_fen = now_ns, 0, 0, 0
        self.lots += lots
        self.fills += 1
        self.notional_fen += notional_fen
        self.tripped = (
            0 < self.lots_max <= self.lots
            or 0 < self.fills_max <= self.fills
            or 0 < self.notional_max_fen <= self.notional_fen
        )
        return self.tripped


@dataclass(slots=True)
class Account:
    """An account: its owner, its limits (0: none) and its money in fen.

    Money that was funded (FUND less WITHDRAW) is free, reserved for buys, held as deposit, or paid
    for purchases. Proceeds of sales are `earned`, and not free before settlement.
    """

    id: int
    firm: int
    group: int
    halted: bool = False
    order_max: int = 0
    position_max: int = POSITION_MAX
    notional_max_fen: int = 0
    funded_fen: int = 0
    free_fen: int = 0
    reserved_fen: int = 0
    deposit_fen: int = 0
    paid_fen: int = 0
    earned_fen: int = 0
    positions: dict[int, Position] = field(default_factory=dict)
    protection: Protection | None = None

    def position(self, instrument: int) -> Position:
        """The account's position in the instrument of this number."""
        return self.positions.setdefault(instrument, Position())

    def is_related(self, other: "Account") -> bool:
        """Whether both belong to one owner, in the sense of self-trade prevention."""
        return self is other or (self.group > 0 and self.group == other.group)

    def reserve(self, change_fen: int) -> None:
        """Move money from free to reserved; back, where the change is negative."""
        self.free_fen -= change_fen
        self.reserved_fen += change_fen

    def pay(self, amount_fen: int) -> None:
        """Spend free money on a purchase."""
        self.free_fen -= amount_fen
        self.paid_fen += amount_fen

    def hold_deposit(self, position: Position, per_lot_fen: int) -> None:
        """Hold the deposit that the position requires now, and free what is above it."""
        change_fen = deposit_fen(position, per_lot_fen) - position.deposit_fen
        position.deposit_fen += change_fen
        self.deposit_fen += change_fen
        self.free_fen -= change_fen


def deposit_fen(position: Position, per_lot_fen: int, more: int = 0) -> int:
    """The deposit of a position with `more` lots offered: for lots sold short, not for resales."""
    return per_lot_fen * max(0, position.open[1] + more - position.net)
