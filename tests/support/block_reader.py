"""A reader of events of blocks: each trades in all of its hours, within its limit, or never."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from matching.records import EventFlag, EventKind, Reason, Side


@dataclass
class KnownBlock:
    """A block as its events describe it, and what it has traded."""

    account: int
    instrument: int
    side: int
    hours: int
    price: int
    quantity: int
    traded: Counter[int] = field(default_factory=Counter)  # lots by instrument
    total: int = 0  # price x quantity
    group: int = 0


class BlockReader:
    """Follows blocks by their events, as EventReader does for orders."""

    def __init__(self) -> None:
        self.blocks: dict[tuple[int, int], KnownBlock] = {}
        self.trade_group = 0

    def read(self, event: Any) -> None:
        """Check an event with the flag BLOCK."""
        key = int(event["session"]), int(event["user_ref"])
        kind = EventKind(event["kind"])
        if kind == EventKind.ACCEPTED:
            assert key not in self.blocks
            self.blocks[key] = KnownBlock(
                account=int(event["account"]),
                instrument=int(event["instrument"]),
                side=int(event["side"]),
                hours=int(event["hours"]),
                price=int(event["price"]),
                quantity=int(event["quantity"]),
            )
            assert event["leaves"] == event["quantity"]
            assert event["cumulative"] == event["shown"] == 0
            return
        block = self.blocks[key]
        assert (block.account, block.side) == (event["account"], event["side"])
        if kind == EventKind.FILLED:
            self.read_filled(key, block, event)
            return
        assert (block.instrument, block.hours) == (event["instrument"], event["hours"])
        assert event["cumulative"] == 0
        assert not block.traded, "an end or a change of a block that has traded"
        if kind == EventKind.REPLACED:
            if not event["flags"] & EventFlag.REQUEUED:
                assert event["quantity"] < block.quantity
                assert event["price"] == block.price
            block.price, block.quantity = int(event["price"]), int(event["quantity"])
            assert event["leaves"] == block.quantity
        else:
            assert kind in (EventKind.CANCELLED, EventKind.EXPIRED)
            assert event["reason"] >= Reason.REQUESTED
            assert event["quantity"] == block.quantity
            assert event["leaves"] == 0
            del self.blocks[key]

    def read_filled(self, key: tuple[int, int], block: KnownBlock, event: Any) -> None:
        """Check a fill; the block ends with its last one."""
        group, hour = int(event["trade_group"]), int(event["instrument"])
        if not block.traded:
            block.group = group
            assert group in (self.trade_group, self.trade_group + 1)
        self.trade_group = group
        assert group == block.group
        quantity = int(event["quantity"])
        block.traded[hour] += quantity
        block.total += quantity * int(event["price"])
        assert event["cumulative"] == block.traded[hour]
        assert event["leaves"] == block.quantity - block.traded[hour]
        if sum(block.traded.values()) == block.quantity * block.hours:
            assert len(block.traded) == block.hours
            assert set(block.traded.values()) == {block.quantity}
            limit = block.price * block.quantity * block.hours
            assert block.total <= limit if block.side == Side.BUY else block.total >= limit
            del self.blocks[key]

    def assert_none_is_half_done(self) -> None:
        """Assert that no block has traded in only some of its hours, as between commands."""
        assert not any(block.traded for block in self.blocks.values())
