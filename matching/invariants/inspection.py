"""Queries of an engine's memory for tests, checks and people: slow and read-only."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matching.book.timers import COLLAR_END, PHASE
from matching.limits import Limits
from matching.memory.layout import (
    BLOCK_BIT,
    MEMBERS,
    PAGE,
    POST_ONLY,
    QUOTE_BIT,
    RANK_BITS,
    STP_MASK,
    WAITING,
)
from matching.records import NANOSECONDS, POSITION_MAX, Phase
from matching.state_tables import SCHEDULED_BY, Tables, state_hash, table

Arrays = Mapping[str, NDArray[Any]]
OWN_GROUP = 2**31


class Inspection:
    """Queries of a machine's arrays. Engine inherits them; the reference has the same methods."""

    limits: Limits
    _arrays: dict[str, NDArray[Any]]

    def depth(
        self, instrument: int, levels: int
    ) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """Price and shown quantity of the best levels: buys, then sells."""
        both: list[list[tuple[int, int]]] = []
        for side in (0, 1):
            rows: dict[int, int] = {}
            for order in walk(self._arrays, instrument, side):
                price = int(order["price"])
                if price not in rows and len(rows) == levels:
                    break
                rows[price] = rows.get(price, 0) + int(order["shown"])
            both.append(list(rows.items()))
        return both[0], both[1]

    def queue(self, instrument: int, side: int, price: int) -> list[tuple[int, int]]:
        """The orders of a level by priority, each as (session, user_ref)."""
        return [
            (int(order["session"]), int(order["user_ref"]))
            for order in walk(self._arrays, instrument, side)
            if order["price"] == price
        ]

    def leaves(self, session: int, user_ref: int) -> int | None:
        """Open quantity of an order, hidden quantity included; None where it is not live."""
        pages = int(self._arrays["state"]["session_pages"][0])
        page = int(self._arrays["directory"][session * pages + user_ref // PAGE])
        slot = int(self._arrays["pages"][page * PAGE + user_ref % PAGE])
        return int(self._arrays["orders"]["leaves"][slot]) if slot else None

    def free_fen(self, account: int) -> int:
        """Money of an account that is neither spent nor held."""
        return int(self._arrays["accounts"]["free"][account])

    def available(self, account: int, instrument: int) -> int:
        """Lots of an instrument that an account may still offer for sale."""
        row = self._arrays["positions"][instrument * (self.limits.accounts + 1) + account]
        return int(row["registered"]) + int(row["net"]) - int(row["open_sell"])

    def state_tables(self) -> Tables:
        """The whole state as tables of integers, with the columns of state_tables.py."""
        return state_tables(self._arrays, self.limits)

    def state_hash(self) -> bytes:
        """SHA-256 of the state, the same for every engine in the same state."""
        return state_hash(self.state_tables())


def walk(arrays: Arrays, instrument_id: int, book: int) -> Iterator[np.void]:
    """The orders of one book by priority."""
    instrument = arrays["instruments"][instrument_id]
    base = int(instrument["level_base"]) + book * (int(instrument["width"]) + 1)
    levels = slice(base + 1, base + 1 + int(instrument["width"]))
    orders, following = arrays["orders"], arrays["links"]["next"]
    slots = following[levels].astype(np.int64)
    for index in np.flatnonzero((slots > 0) & (slots < len(orders)))[::-1]:
        slot = int(slots[index])
        while slot < len(orders):
            yield orders[slot]
            slot = int(following[slot])


def state_tables(arrays: Arrays, limits: Limits) -> Tables:
    """The state in a machine's memory as tables that do not depend on the layout."""
    state = arrays["state"][0]
    band = arrays["instruments"]["width"].sum()
    machine: list[tuple[int, ...]] = [
        (
            int(state["now_ns"]),
            int(state["trades"]),
            int(state["trade_groups"]),
            int(state["accepted"]),
            int(band),
            int(state["seed"]),
        )
    ]
    return {
        "machine": table("machine", machine),
        "sessions": _sessions(arrays["sessions"]),
        "accounts": _accounts(arrays["accounts"]),
        "instruments": _instruments(arrays["instruments"], arrays["auctions"]),
        "schedule": table("schedule", _schedule(arrays)),
        "positions": _positions(arrays["positions"], limits.accounts + 1),
        "orders": _orders(arrays),
        "blocks": _blocks(arrays),
        "baskets": _baskets(arrays["members"]),
        "protections": _protections(arrays["protections"]),
        "busts": _columns(np.sort(arrays["busts"][1 : int(state["busts"]) + 1])),
    }


def _columns(*columns: Any) -> NDArray[np.int64]:
    return np.stack([np.asarray(column, dtype=np.int64) for column in columns], axis=1)


def _sessions(sessions: NDArray[Any]) -> NDArray[np.int64]:
    opened = np.flatnonzero(sessions["opened"])
    opened = opened[opened != 0]
    names = ("firm", "operator", "orders", "blocks", "ref_pages")
    return _columns(opened, *(sessions[name][opened] for name in names))


def _accounts(accounts: NDArray[Any]) -> NDArray[np.int64]:
    opened = np.flatnonzero(accounts["firm"])
    rows = accounts[opened]
    group = np.where(rows["group"] >= OWN_GROUP, 0, rows["group"])
    position_max = np.where(rows["position_max"] == 0, POSITION_MAX, rows["position_max"])
    return _columns(
        opened, rows["firm"], group, rows["halted"], rows["order_max"], position_max,
        rows["notional_max"], rows["funded"], rows["free"], rows["reserved"], rows["deposit"],
        rows["paid"], rows["earned"],
    )  # fmt: skip


def _instruments(instruments: NDArray[Any], auctions: NDArray[Any]) -> NDArray[np.int64]:
    listed = np.flatnonzero(instruments["phase"])
    rows, auction = instruments[listed], auctions[listed]
    return _columns(
        listed, rows["reference"], rows["tick_fen"], rows["low"], rows["high"], rows["width"],
        rows["maker_rate"], rows["taker_rate"], rows["deposit_fen"], rows["collar"],
        rows["collar_s"], auction["random_s"], auction["extension"], auction["extended"],
        rows["gate_s"], rows["gated"], rows["phase"], rows["last"], rows["follows"],
        rows["longest"], auction["price"], auction["volume"], auction["surplus"],
    )  # fmt: skip


def _schedule(arrays: Arrays) -> list[tuple[int, ...]]:
    timers = arrays["timers"][1 : int(arrays["state"]["timers"][0]) + 1]
    timers = timers[(timers["due"] & 3) == PHASE]
    rows: list[tuple[int, ...]] = []
    for timer in timers[np.lexsort((timers["rank"], timers["due"]))]:
        phase, cause = int(timer["phase"]), SCHEDULED_BY["command"]
        if phase == 0:
            phase, cause = int(Phase.CLOSED), SCHEDULED_BY["close"]
        elif phase == COLLAR_END:
            phase, cause = int(Phase.CONTINUOUS), SCHEDULED_BY["collar"]
        rows.append((int(timer["due"]) >> 2, int(timer["rank"]) >> RANK_BITS, phase, cause))
    return rows


def _protections(protections: NDArray[Any]) -> NDArray[np.int64]:
    protected = np.flatnonzero(protections["window_ns"])
    rows = protections[protected]
    return _columns(
        protected, rows["lots_max"], rows["fills_max"], rows["notional_max"],
        rows["window_ns"] // NANOSECONDS, rows["began_ns"], rows["lots"], rows["fills"],
        rows["notional"], rows["tripped"],
    )  # fmt: skip


def _positions(positions: NDArray[Any], accounts: int) -> NDArray[np.int64]:
    words = positions.view(np.int64).reshape(len(positions), 2)
    used = np.flatnonzero(words[:, 0] | words[:, 1])
    rows = positions[used]
    account, instrument = used % accounts, used // accounts
    table = _columns(
        account, instrument, rows["registered"], rows["net"], rows["open_buy"], rows["open_sell"]
    )
    return table[np.lexsort((instrument, account))]


def _orders(arrays: Arrays) -> NDArray[np.int64]:
    orders = arrays["orders"]
    slots = _by_acceptance(orders, (orders["mode"] & BLOCK_BIT) == 0)
    rows = orders[slots]
    waiting = (rows["mode"] & WAITING) != 0
    return _columns(
        rows["accepted"], rows["session"], rows["user_ref"], rows["account"], rows["instrument"],
        rows["side"], rows["type"], rows["tif"], rows["mode"] & STP_MASK,
        (rows["mode"] & POST_ONLY) != 0, (rows["mode"] & QUOTE_BIT) != 0, waiting, rows["price"],
        np.where(waiting, rows["stop"], 0), rows["display"], rows["leaves"], rows["shown"],
        rows["cumulative"], rows["fee_fraction"], _expiry_s(arrays, rows), _places(arrays)[slots],
    )  # fmt: skip


def _blocks(arrays: Arrays) -> NDArray[np.int64]:
    orders = arrays["orders"]
    rows = orders[_by_acceptance(orders, (orders["mode"] & BLOCK_BIT) != 0)]
    return _columns(
        rows["accepted"], rows["session"], rows["user_ref"], rows["account"], rows["instrument"],
        rows["display"], rows["side"], rows["tif"], rows["mode"] & STP_MASK, rows["price"],
        rows["leaves"], _expiry_s(arrays, rows),
    )  # fmt: skip


def _baskets(members: NDArray[Any]) -> NDArray[np.int64]:
    listed = np.flatnonzero(members)
    return _columns(listed // MEMBERS, listed % MEMBERS + 1, members[listed])


def _by_acceptance(orders: NDArray[Any], wanted: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The slots of live orders that are wanted, in acceptance sequence."""
    slots = np.flatnonzero((orders["instrument"] != 0) & wanted)
    return slots[np.argsort(orders["accepted"][slots])]


def _expiry_s(arrays: Arrays, rows: NDArray[Any]) -> NDArray[np.int64]:
    """Seconds at which orders expire by their own time; 0: they have none."""
    due_s = arrays["timers"]["due"][rows["timer"]] >> 2
    return np.where(rows["timer"] != 0, due_s, 0)


def _places(arrays: Arrays) -> NDArray[np.int64]:
    """Number of orders in front of each order in its level; 0 for waiting stops.

    One pass moves one step in every level: there are as many passes as the longest level has
    orders.
    """
    orders, links = arrays["orders"], arrays["links"]
    places = np.zeros(len(orders), np.int64)
    resting = (orders["instrument"] != 0) & ((orders["mode"] & (WAITING | BLOCK_BIT)) == 0)
    front = np.flatnonzero(resting & (links["prev"][: len(orders)] >= len(orders)))
    place = 0
    while len(front):
        places[front] = place
        front = links["next"][front].astype(np.int64)
        front = front[front < len(orders)]
        place += 1
    return places
