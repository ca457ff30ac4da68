"""A core without rules: limit orders, IOCs and cancels in one book.

No account, money, fee, phase, band, self-trade prevention or stop, no bound of a table, and it
believes whatever a command says. Its events are the engine's, but for the fees.
"""

from collections import namedtuple
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from bench.flow import Recording
from bench.opening import band_of
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
nth = np.uintp  # an index whose sign Numba need not ask for

FREE, TRADES, BEST = 0, 1, 2  # of `state`; the best levels of both sides are 2 and 3
NEXT, PREVIOUS, LINK = 0, 1, 2  # of `links`, and their number a slot or level
WORTH, NAME, OWNER, REST, ORDER = 0, 1, 2, 3, 4  # words of `orders`, and their number

_named_tuple: Any = namedtuple
Book = _named_tuple("Book", "state links orders ids bits slots refs low width rows")
"""Flat arrays. The circle of a level stands in `links` behind the slots, at side x (width + 2) +
index; a bit for each level in `bits`, and behind `rows` words of a side one for each word."""


def inline(function: Callable[..., Any]) -> Any:
    """Compile into the callers, arrays passed on without counting references: that alone would take
    longer than to match."""
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
    """A limit order or an IOC: it trades, and what it leaves rests or ends."""
    side, worth = codes >> SIDE_AT & 1, commands[nth(k * WORDS + 2)] & LOW
    name, owner = commands[nth(k * WORDS + 4)], owner_of(commands, k)
    leaves, filled = commands[nth(k * WORDS + 3)] & LOW, i64(0)
    index, across = index_of(book, side, worth), 1 - side
    kind = ACCEPTED | side << SIDE_AT
    write(commands, events, k, out, leaves << 32, worth | leaves << 32, leaves, name, owner, kind)
    out += 1
    best = book.state[nth(BEST + across)]
    while best >= book.width + 1 - index and leaves != 0:
        slot = i64(book.links[nth(level_at(book, across, best) * LINK + NEXT)])
        own = slot * ORDER
        order = book.orders[nth(own + WORTH)]
        price, traded = order & LOW, min(leaves, order >> 32)
        left = (order >> 32) - traded
        rest = book.orders[nth(own + REST)] + (traded << 32)
        book.orders[nth(own + WORTH)] = price | left << 32
        book.orders[nth(own + REST)] = rest
        leaves -= traded
        filled += traded
        trade = book.state[TRADES] + 1
        book.state[TRADES] = trade
        known, whose = book.orders[nth(own + NAME)], book.orders[nth(own + OWNER)]
        kind, fill = FILLED | across << SIDE_AT, price | traded << 32
        write(commands, events, k, out, trade, fill, left | rest >> 32 << 32, known, whose, kind)
        kind = FILLED | side << SIDE_AT | TAKER << EVENT_FLAGS_AT
        out += 1
        write(commands, events, k, out, trade, fill, leaves | filled << 32, name, owner, kind)
        out += 1
        if left == 0:
            book.ids[place_of(book, known)] = 0
            if unlink(book, slot):
                best = clear(book, across, best, best)
                book.state[nth(BEST + across)] = best
    if leaves == 0:
        return out
    if codes >> TIF_AT & 7 == IOC:
        kind = CANCELLED | side << SIDE_AT | REMAINDER << REASON_AT
        write(
            commands, events, k, out, i64(0), worth | leaves << 32, filled << 32, name, owner, kind
        )
        return out + 1
    slot = book.state[FREE]
    own = slot * ORDER
    book.state[FREE] = book.links[nth(slot * LINK + NEXT)]
    book.orders[nth(own + WORTH)] = worth | leaves << 32
    book.orders[nth(own + NAME)] = name
    book.orders[nth(own + OWNER)] = owner
    book.orders[nth(own + REST)] = side | filled << 32
    book.ids[place_of(book, name)] = slot
    if link(book, slot, level_at(book, side, index)):
        mark(book, side, index)
        book.state[nth(BEST + side)] = max(index, book.state[nth(BEST + side)])
    return out


@inline
def cancel(book: Any, commands: Any, events: Any, k: int, out: int) -> None:
    """Take an order out, or say that there is none of that name."""
    given = k * WORDS
    ref = commands[nth(given + 5)] & LOW
    place = place_of(book, commands[nth(given + 4)] & LOW | ref << 32)
    slot = i64(book.ids[place])
    if slot == 0:
        asked, kind = commands[nth(given + 4)], REJECTED | UNKNOWN_ORDER << REASON_AT
        write(commands, events, k, out, ref, i64(0), i64(0), asked, owner_of(commands, k), kind)
        return
    own = slot * ORDER
    order, rest = book.orders[nth(own + WORTH)], book.orders[nth(own + REST)]
    side, asked = rest & 1, commands[nth(given + 4)] >> 32 & LOW
    known, whose = book.orders[nth(own + NAME)], book.orders[nth(own + OWNER)]
    kind = CANCELLED | side << SIDE_AT | REQUESTED << REASON_AT
    write(commands, events, k, out, asked, order, rest >> 32 << 32, known, whose, kind)
    book.ids[place] = 0
    if unlink(book, slot):
        best = book.state[nth(BEST + side)]
        index = index_of(book, side, order & LOW)
        book.state[nth(BEST + side)] = clear(book, side, index, best)


@inline
def write(commands: Any, events: Any, k: int, out: int, other: int, worth: int, left: int,
          name: int, owner: int, codes: int) -> None:  # fmt: skip
    """An event by its words."""
    events[nth(out * WORDS)] = commands[nth(k * WORDS)]
    events[nth(out * WORDS + 1)] = commands[nth(k * WORDS + 1)]
    events[nth(out * WORDS + 2)] = other
    events[nth(out * WORDS + 3)] = worth
    events[nth(out * WORDS + 4)] = left
    events[nth(out * WORDS + 5)] = name
    events[nth(out * WORDS + 6)] = owner
    events[nth(out * WORDS + 7)] = codes


@inline
def owner_of(commands: Any, k: int) -> Any:
    """Account and instrument as one word."""
    return commands[nth(k * WORDS + 5)] >> 32 & LOW | commands[nth(k * WORDS + 6)] << 32


@inline
def place_of(book: Any, name: int) -> Any:
    """Where a session's ref stands in the table of live orders."""
    return nth((name & LOW) * book.refs + (name >> 32))


@inline
def index_of(book: Any, side: int, price: int) -> Any:
    """The level of a price, from 1: the more urgent, the higher."""
    above = price - book.low
    return above + 1 if side == 0 else book.width - above


@inline
def level_at(book: Any, side: int, index: int) -> Any:
    """Where a level's circle stands in `links`."""
    return book.slots + side * (book.width + 2) + index


@inline
def link(book: Any, slot: int, level: int) -> Any:
    """Put an order at the back of a level. Returns whether it is the only one."""
    last = i64(book.links[nth(level * LINK + PREVIOUS)])
    book.links[nth(slot * LINK + NEXT)] = level
    book.links[nth(slot * LINK + PREVIOUS)] = last
    book.links[nth(last * LINK + NEXT)] = slot
    book.links[nth(level * LINK + PREVIOUS)] = slot
    return last == level


@inline
def unlink(book: Any, slot: int) -> Any:
    """Free an order's slot. Returns whether its level is empty now."""
    behind = i64(book.links[nth(slot * LINK + NEXT)])
    ahead = i64(book.links[nth(slot * LINK + PREVIOUS)])
    book.links[nth(ahead * LINK + NEXT)] = behind
    book.links[nth(behind * LINK + PREVIOUS)] = ahead
    book.links[nth(slot * LINK + NEXT)] = book.state[FREE]
    book.state[FREE] = slot
    return ahead == behind


@inline
def mark(book: Any, side: int, index: int) -> None:
    """Set a level's bit."""
    base = side * 2 * book.rows
    book.bits[nth(base + (index >> 6))] |= i64(1) << (index & 63)
    book.bits[nth(base + book.rows + (index >> 12))] |= i64(1) << (index >> 6 & 63)


@inline
def clear(book: Any, side: int, index: int, best: int) -> Any:
    """Clear a level's bit; returns the best level that is left, 0 if none is."""
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
def run_core(state, links, orders, ids, bits, slots, refs, low, width, rows, commands, events):  # type: ignore[no-untyped-def]
    """The entry that Python calls, once a batch: of arrays, because they come in faster singly."""
    book = Book(state, links, orders, ids, bits, slots, refs, low, width, rows)
    return match(book, commands, events)


class Core:
    """The book of a recording of one instrument, at the start of its stream."""

    def __init__(self, recording: Recording) -> None:
        limits = recording.limits
        low, high = band_of(recording.workload)
        width = high - low + 1
        slots, levels, rows = limits.orders + 1, 2 * (width + 2), width // 64 + 2
        word, half = np.dtype(np.int64), np.dtype(np.uint32)
        tables = allocate({
            "events": (limits.events, EVENT), "state": (4, word), "orders": (slots * ORDER, word),
            "links": ((slots + levels) * LINK, half), "bits": (4 * rows, word),
            "ids": ((limits.sessions + 1) * limits.refs, half),
        })  # fmt: skip
        self._events = tables.pop("events")
        sizes = {"slots": slots, "refs": limits.refs, "low": low, "width": width, "rows": rows}
        self._book = Book(**tables, **sizes)
        links = self._book.links.reshape(-1, LINK)
        links[:slots, NEXT] = np.arange(1, slots + 1)
        links[slots:] = np.arange(slots, slots + levels)[:, None]
        self._book.state[FREE] = 1
        kinds = (CommandKind.NEW, CommandKind.CANCEL)
        self.process(recording.warm[np.isin(recording.warm["kind"], kinds)])

    def process(self, commands: NDArray[np.void]) -> NDArray[np.void]:
        """Match commands; returns their events, a view that is valid until the next call."""
        words, events = commands.view(np.int64), self._events.view(np.int64)
        return self._events[: run_core(*self._book, words, events)]
