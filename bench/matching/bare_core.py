"""A core without rules: limit orders, IOCs and cancels in one book.

It knows no account, money, fee, phase, band, self-trade prevention or stop. It checks neither the
bounds of its tables nor the fields of a command. Its events are the engine's, except the fees.
"""

from collections import namedtuple
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from bench.workloads.opening import band_of
from bench.workloads.recording import Recording
from matching import EVENT
from matching.codes import (
    ACCEPTED,
    CANCELLED,
    FILLED,
    IOC,
    NEW,
    REJECTED,
    REMAINDER,
    REQUESTED,
    TAKER,
    UNKNOWN_ORDER,
)
from matching.fast_path.record_words import EVENT_FLAGS_AT, LOW, REASON_AT, SIDE_AT, TIF_AT, WORDS
from matching.memory.allocation import allocate
from matching.memory.intrinsics import highest_bit
from matching.records import CommandKind

i64 = np.int64
nth = np.uintp  # an index without a sign, so that Numba does not test for negative ones

HEADER = np.dtype([
    ("free", i64),  # first free slot of `orders`
    ("trades", i64),  # so far
    ("slots", i64),  # length of `orders`
    ("refs", i64),  # of a session
    ("low", i64),  # lowest price of the band
    ("width", i64),  # ticks of the band
    ("rows", i64),  # words of a side's bitmap of levels
])  # fmt: skip
LINK = np.dtype([("next", np.uint32), ("previous", np.uint32)])
ORDER = np.dtype([
    ("price_leaves", i64),  # two int32 in one word, the first in the low half; likewise below
    ("order_id", i64),  # session and user_ref
    ("owner", i64),  # account and instrument
    ("side_filled", i64),
])  # fmt: skip

_named_tuple: Any = namedtuple
Book = _named_tuple("Book", "header best links orders ids bits slots refs low width rows")
"""`header` is `HEADER[1]`, `best` the best level of each side (0: none), `ids` the slot of each
order id. `links` holds a node for each slot of `orders` and then one for each level: a level's
orders form a circle through its node. `bits` has for each side a bit for each level, and then a bit
for each word of those. The numbers are copies of the header's, which kernels keep in registers."""


def inline(function: Callable[..., Any]) -> Any:
    """Compile into the callers, without counting references to arrays.

    The counting alone would take longer than the matching.
    """
    return numba.njit(error_model="numpy", no_cpython_wrapper=True, forceinline=True, _nrt=False)(
        function
    )


@inline
def match(book: Any, commands: Any, events: Any) -> Any:
    """Match commands, eight words each; returns how many events were written."""
    out = i64(0)
    for k in range(len(commands) // WORDS):
        codes = commands[nth(k * WORDS + 7)]
        if codes & 0xFF == NEW:
            out = enter(book, commands, events, k, out, codes)
        else:
            cancel(book, commands, events, k, out)
            out += 1
    return out


@inline
def enter(book: Any, commands: Any, events: Any, k: int, out: int, codes: int) -> Any:
    """Match a limit order or an IOC; what is left of it rests or is cancelled."""
    side, asked = codes >> SIDE_AT & 1, commands[nth(k * WORDS + 2)] & LOW
    order_id, owner = commands[nth(k * WORDS + 4)], owner_of(commands, k)
    leaves, filled = commands[nth(k * WORDS + 3)] & LOW, i64(0)
    index, opposite = level_index(book, side, asked), 1 - side
    kind = ACCEPTED | side << SIDE_AT
    write(commands, events, k, out, leaves << 32, asked | leaves << 32, leaves, order_id, owner,
          kind)  # fmt: skip
    out += 1
    best = book.best[nth(opposite)]
    while best >= book.width + 1 - index and leaves != 0:
        slot = i64(book.links[nth(level_node(book, opposite, best))]["next"])
        maker = book.orders[nth(slot)]
        price, traded = maker["price_leaves"] & LOW, min(leaves, maker["price_leaves"] >> 32)
        left = (maker["price_leaves"] >> 32) - traded
        side_filled = maker["side_filled"] + (traded << 32)
        maker["price_leaves"] = price | left << 32
        maker["side_filled"] = side_filled
        leaves -= traded
        filled += traded
        trade = book.header[0]["trades"] + 1
        book.header[0]["trades"] = trade
        maker_id, maker_owner = maker["order_id"], maker["owner"]
        kind, fill = FILLED | opposite << SIDE_AT, price | traded << 32
        write(commands, events, k, out, trade, fill, left | side_filled >> 32 << 32, maker_id,
              maker_owner, kind)  # fmt: skip
        kind = FILLED | side << SIDE_AT | TAKER << EVENT_FLAGS_AT
        out += 1
        write(commands, events, k, out, trade, fill, leaves | filled << 32, order_id, owner, kind)
        out += 1
        if left == 0:
            book.ids[id_index(book, maker_id)] = 0
            if unlink(book, slot):
                best = clear(book, opposite, best, best)
                book.best[nth(opposite)] = best
    if leaves == 0:
        return out
    if codes >> TIF_AT & 7 == IOC:
        kind = CANCELLED | side << SIDE_AT | REMAINDER << REASON_AT
        write(commands, events, k, out, i64(0), asked | leaves << 32, filled << 32, order_id, owner,
              kind)  # fmt: skip
        return out + 1
    rest(book, side, index, asked | leaves << 32, order_id, owner, side | filled << 32)
    return out


@inline
def rest(book: Any, side: int, index: int, price_leaves: int, order_id: int, owner: int,
         side_filled: int) -> None:  # fmt: skip
    """Put an order at the end of its level."""
    slot = book.header[0]["free"]
    book.header[0]["free"] = book.links[nth(slot)]["next"]
    order = book.orders[nth(slot)]
    order["price_leaves"] = price_leaves
    order["order_id"] = order_id
    order["owner"] = owner
    order["side_filled"] = side_filled
    book.ids[id_index(book, order_id)] = slot
    if link(book, slot, level_node(book, side, index)):
        mark(book, side, index)
        book.best[nth(side)] = max(index, book.best[nth(side)])


@inline
def cancel(book: Any, commands: Any, events: Any, k: int, out: int) -> None:
    """Remove an order, or reject the cancel where no order has that id."""
    first = k * WORDS
    ref = commands[nth(first + 5)] & LOW
    place = id_index(book, commands[nth(first + 4)] & LOW | ref << 32)
    slot = i64(book.ids[place])
    if slot == 0:
        requested, kind = commands[nth(first + 4)], REJECTED | UNKNOWN_ORDER << REASON_AT
        owner = owner_of(commands, k)
        write(commands, events, k, out, ref, i64(0), i64(0), requested, owner, kind)
        return
    order = book.orders[nth(slot)]
    price_leaves, side_filled = order["price_leaves"], order["side_filled"]
    side, requested = side_filled & 1, commands[nth(first + 4)] >> 32 & LOW
    order_id, owner = order["order_id"], order["owner"]
    kind = CANCELLED | side << SIDE_AT | REQUESTED << REASON_AT
    write(commands, events, k, out, requested, price_leaves, side_filled >> 32 << 32, order_id,
          owner, kind)  # fmt: skip
    book.ids[place] = 0
    if unlink(book, slot):
        index = level_index(book, side, price_leaves & LOW)
        book.best[nth(side)] = clear(book, side, index, book.best[nth(side)])


@inline
def write(commands: Any, events: Any, k: int, out: int, other: int, price_quantity: int,
          leaves_filled: int, order_id: int, owner: int, codes: int) -> None:  # fmt: skip
    """Write event `out`, a word at a time; its first two words are those of command `k`."""
    events[nth(out * WORDS)] = commands[nth(k * WORDS)]
    events[nth(out * WORDS + 1)] = commands[nth(k * WORDS + 1)]
    events[nth(out * WORDS + 2)] = other
    events[nth(out * WORDS + 3)] = price_quantity
    events[nth(out * WORDS + 4)] = leaves_filled
    events[nth(out * WORDS + 5)] = order_id
    events[nth(out * WORDS + 6)] = owner
    events[nth(out * WORDS + 7)] = codes


@inline
def owner_of(commands: Any, k: int) -> Any:
    """Account and instrument of a command as one word."""
    return commands[nth(k * WORDS + 5)] >> 32 & LOW | commands[nth(k * WORDS + 6)] << 32


@inline
def id_index(book: Any, order_id: int) -> Any:
    """Index of an order id in `ids`."""
    return nth((order_id & LOW) * book.refs + (order_id >> 32))


@inline
def level_index(book: Any, side: int, price: int) -> Any:
    """Index of a price among the levels of a side, from 1; a better price has a higher index."""
    above = price - book.low
    return above + 1 if side == 0 else book.width - above


@inline
def level_node(book: Any, side: int, index: int) -> Any:
    """Index of a level's node in `links`."""
    return book.slots + side * (book.width + 2) + index


@inline
def link(book: Any, slot: int, level: int) -> Any:
    """Append an order to a level. Returns whether it is the level's only one."""
    last = i64(book.links[nth(level)]["previous"])
    book.links[nth(slot)]["next"] = level
    book.links[nth(slot)]["previous"] = last
    book.links[nth(last)]["next"] = slot
    book.links[nth(level)]["previous"] = slot
    return last == level


@inline
def unlink(book: Any, slot: int) -> Any:
    """Remove an order from its level and free its slot. Returns whether the level is empty now."""
    behind = i64(book.links[nth(slot)]["next"])
    ahead = i64(book.links[nth(slot)]["previous"])
    book.links[nth(ahead)]["next"] = behind
    book.links[nth(behind)]["previous"] = ahead
    book.links[nth(slot)]["next"] = book.header[0]["free"]
    book.header[0]["free"] = slot
    return ahead == behind


@inline
def mark(book: Any, side: int, index: int) -> None:
    """Set a level's bit."""
    base = side * 2 * book.rows
    book.bits[nth(base + (index >> 6))] |= i64(1) << (index & 63)
    book.bits[nth(base + book.rows + (index >> 12))] |= i64(1) << (index >> 6 & 63)


@inline
def clear(book: Any, side: int, index: int, best: int) -> Any:
    """Clear a level's bit; returns the best level that is left, 0 if there is none."""
    base = side * 2 * book.rows
    left = book.bits[nth(base + (index >> 6))] & ~(i64(1) << (index & 63))
    book.bits[nth(base + (index >> 6))] = left
    row = index >> 12
    if left == 0:
        book.bits[nth(base + book.rows + row)] &= ~(i64(1) << (index >> 6 & 63))
    if index != best:
        return best
    if left != 0:
        return (index >> 6 << 6) + highest_bit(left)
    while row > 0 and book.bits[nth(base + book.rows + row)] == 0:
        row -= 1
    words = book.bits[nth(base + book.rows + row)]
    if words == 0:
        return i64(0)
    word = (row << 6) + highest_bit(words)
    return (word << 6) + highest_bit(book.bits[nth(base + word)])


@numba.njit(error_model="numpy", _nrt=False)
def run_core(header, best, links, orders, ids, bits, commands, events):  # type: ignore[no-untyped-def]
    """Match one batch: the entry point for Python, for which single arrays are the cheapest."""
    sizes = header[0]
    book = Book(
        header, best, links, orders, ids, bits,
        sizes["slots"], sizes["refs"], sizes["low"], sizes["width"], sizes["rows"],
    )  # fmt: skip
    return match(book, commands, events)


class Core:
    """A book that has played a recording of one instrument up to the start of its stream."""

    def __init__(self, recording: Recording) -> None:
        limits = recording.limits
        low, high = band_of(recording.workload)
        width = high - low + 1
        slots, levels, rows = limits.orders + 1, 2 * (width + 2), width // 64 + 2
        word, half = np.dtype(np.int64), np.dtype(np.uint32)
        tables = allocate({
            "events": (limits.events, EVENT), "header": (1, HEADER), "best": (2, word),
            "orders": (slots, ORDER), "links": (slots + levels, LINK), "bits": (4 * rows, word),
            "ids": ((limits.sessions + 1) * limits.refs, half),
        })  # fmt: skip
        self._events = tables.pop("events")
        self._tables = tables
        tables["header"][0] = (1, 0, slots, limits.refs, low, width, rows)
        links = tables["links"]
        links["next"][:slots] = np.arange(1, slots + 1)
        for field in ("next", "previous"):
            links[field][slots:] = np.arange(slots, slots + levels)
        kinds = (CommandKind.NEW, CommandKind.CANCEL)
        self.process(recording.warm[np.isin(recording.warm["kind"], kinds)])

    def process(self, commands: NDArray[np.void]) -> NDArray[np.void]:
        """Match commands; returns their events, a view that is valid until the next call."""
        words, events, tables = commands.view(np.int64), self._events.view(np.int64), self._tables
        count = run_core(
            tables["header"], tables["best"], tables["links"], tables["orders"], tables["ids"],
            tables["bits"], words, events,
        )  # fmt: skip
        return self._events[:count]
