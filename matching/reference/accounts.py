"""Sessions and accounts of the reference: rights, limits, money and positions."""

from dataclasses import dataclass, field

from matching.records import POSITION_MAX


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
