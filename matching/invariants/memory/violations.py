"""Invariants of a machine's memory between two commands, for memory that nobody vouches for.

state_invariants.py reads the state as tables. This room looks at the memory itself, and trusts
nothing in it: no index is followed before it is known to lie in its table, and every link is known
to lead back. What passes is a machine that goes on without reading or writing beyond its tables,
and whose state keeps the invariants of state_invariants.py. The checks:

- numbers of STATE within bounds, and no command under way; ids of orders (here)
- sessions and accounts: members.py
- instruments, bands, sequences, baskets: instruments.py
- bitmaps and best levels: levels.py
- timers: timers.py
- compiled: orders one by one, orders.py; in their levels, circles.py; free slots, pages and block
  numbers, free_lists.py; standing blocks and their legs, blocks.py; positions, positions.py. They
  report a rule by its number (rules.py), and add up what other tables must agree with (sums.py).

Not proved: that commands lead to this state. Money of the past (paid, earned), counts (trades,
cumulative quantities), limits and entitlements may be any that are possible; a replay of the day
log proves those. Cost: some 150 ns an order, and a look at each block of memory that is used.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matching.invariants.memory.blocks import check_standing
from matching.invariants.memory.instruments import check_auctions, check_baskets, check_instruments
from matching.invariants.memory.levels import (
    bands_of,
    check_best,
    check_bitmaps,
    first_alone,
    first_empty_bit,
)
from matching.invariants.memory.members import (
    check_accounts,
    check_holdings,
    check_protections,
    check_sessions,
    check_shares,
)
from matching.invariants.memory.orders import check_orders
from matching.invariants.memory.rows import (
    Arrays,
    BrokenRuleError,
    Integers,
    Memory,
    is_first_of,
    joined,
)
from matching.invariants.memory.rules import LEVEL_ALONE, LEVEL_BIT, RULES, SOUND
from matching.invariants.memory.sums import COUNTS, SUMS
from matching.invariants.memory.timers import check_timers
from matching.limits import BOUNDS, Limits
from matching.memory.allocation import allocate
from matching.memory.blocks_used import BLOCK as BLOCK_BYTES
from matching.memory.handle import Handle
from matching.memory.layout import (
    BOOKS,
    LINK,
    MACHINE_LAYOUT,
    PAGE,
    RANK_BITS,
    TABLES,
    TOPS,
    WATCH_AT,
    WATCH_HEAD,
    pages_a_session,
)
from matching.memory.state_record import STATE, UNFINISHED
from matching.records import ACCEPTED_MAX, TIME_MAX_NS

TRADE_ID_MAX = 2**32 - 1
OF_INSTRUMENTS = {"tops": slice(BOOKS), "watch": slice(WATCH_AT + WATCH_HEAD, WATCH_AT + 2)}
"""Words of an instrument's record that have no name in INSTRUMENT."""

OF_NOTHING = ("blocks", "links", "page_live", "timers")
"""Tables whose row 0 stands for nothing and is zeros. Those of other tables are checked with the
rest of them."""

SCHEDULED_MOST = 1 << RANK_BITS - 1
"""Closes and phases scheduled in a day: more than operators may schedule and the collars of all
orders of a day add, and half of the ranks there are."""


def first_violation(
    arrays: Arrays, limits: Limits, blocks: Mapping[str, Integers] | None = None
) -> str | None:
    """The first rule that a machine's memory breaks: table, row, column, rule, and what was found;
    None if the memory is sound.

    `arrays` are the machine's tables, built for these limits. `blocks` are numbers of the blocks of
    each table that are not empty, as `snapshot.read` returns them; without they are looked for.
    """
    memory = Memory(arrays, limits, blocks or {})
    try:
        _check(memory)
    except BrokenRuleError as error:
        return str(error)
    return None


def _check(memory: Memory) -> None:
    """Check all. Each check relies on those before it."""
    _check_state(memory)
    check_sessions(memory)
    check_accounts(memory)
    check_instruments(memory)
    check_auctions(memory)
    check_baskets(memory)
    check_protections(memory)
    _check_busts(memory)
    _check_directory(memory)
    bits = check_bitmaps(memory)
    sums = _sums_for(memory)
    tables = {name: np.zeros(1, dtype) for name, dtype in TABLES.items()}
    machine = Handle(MACHINE_LAYOUT, tables | dict(memory.arrays))
    _require_sound(memory, check_orders(machine.argument, sums.argument))
    counts = sums["counts"][0]
    if bits != counts["occupied"]:  # each level with orders has one
        _require_sound(memory, (LEVEL_BIT, first_empty_bit(memory)))
    check_best(memory)
    check_timers(memory)
    _check_pages(memory, sums["page_orders"], int(counts["orders"] + counts["blocks"]))
    pages = np.bincount(
        memory.used("directory") // pages_a_session(memory.limits),
        minlength=len(memory.arrays["sessions"]),
    )
    check_shares(memory, sums["session_orders"], sums["session_blocks"], pages)
    reserved, deposits = (
        joined(sums[f"{what}_high"], sums[f"{what}_low"]) for what in ("reserved", "deposits")
    )
    check_holdings(memory, reserved, deposits)
    if counts["blocks"]:
        _require_sound(memory, check_standing(machine.argument))


def _sums_for(memory: Memory) -> Handle:
    """Sums of zeros for a machine of this size, and what is given to their computation."""
    arrays = memory.arrays
    counts = np.zeros(1, COUNTS)
    counts["pages"] = len(memory.used("directory"))
    links = memory.blocks_of("links")
    given = {
        "counts": counts,
        "position_blocks": memory.blocks_of("positions"),
        "level_blocks": links[(links + 1) * BLOCK_BYTES > len(arrays["orders"]) * LINK.itemsize],
        "bands": bands_of(memory).numbers,
    }
    of = {name: len(array) for name, array in arrays.items()}
    lengths = {
        "apart": memory.number("slots_used"),
        "met": memory.number("slots_used") + 1,
        "acceptances": (memory.number("accepted") >> 3) + 1,
        "page_orders": of["page_live"],
        **dict.fromkeys(("session_orders", "session_blocks"), of["sessions"]),
        "open_lots": 2 * of["positions"],
        **dict.fromkeys(("reserved_high", "reserved_low"), of["accounts"]),
        **dict.fromkeys(("deposits_high", "deposits_low"), of["accounts"]),
    }
    zeros = allocate({name: (length, SUMS.tables[name]) for name, length in lengths.items()})
    return Handle(SUMS, zeros | given)


def _require_sound(memory: Memory, found: tuple[int, int]) -> None:
    """Raise BrokenRuleError for the rule that compiled checks found broken."""
    rule, row = found
    if rule != SOUND:
        table, column, text = RULES[rule]
        row = first_alone(memory) if rule == LEVEL_ALONE else row
        raise BrokenRuleError(table, row, column, text, _value(memory.arrays[table], column, row))


def _value(array: NDArray[Any], column: str, row: int) -> Any:
    """A cell of a table, of plain numbers if the column has no name; `tops` and `watch` of an
    instrument are several."""
    if column in OF_INSTRUMENTS:
        return array.view(np.uint32).reshape(-1, TOPS)[row, OF_INSTRUMENTS[column]].tolist()
    return (array[column] if column else array)[row]


def _check_state(memory: Memory) -> None:
    """Counts are within their tables, constants are the limits', nothing is under way."""
    state, limits = memory.state, memory.limits
    for column in STATE.names or ():
        if column in BOUNDS and column not in UNFINISHED:
            share = getattr(limits, column)
            state.require_range(column, share, share)
    pages = pages_a_session(limits)
    state.require_range("session_pages", pages, pages)
    for column in (*UNFINISHED, "candidates", "tripped"):
        state.require_range(column, 0, 0)
    for column, most in (
        ("now_ns", TIME_MAX_NS),
        ("accepted", ACCEPTED_MAX),
        ("trades", TRADE_ID_MAX),
        ("trade_groups", memory.number("accepted")),
        ("scheduled", SCHEDULED_MOST),
        ("slots_used", len(memory.arrays["orders"]) - 1),
        ("pages_used", len(memory.arrays["page_live"]) - 1),
        ("blocks_used", len(memory.arrays["blocks"]) - 1),
        ("timers", len(memory.arrays["timers"]) - 1),
        ("busts", len(memory.arrays["busts"]) - 1),
    ):
        state.require_range(column, 0, most)
    unused = memory.rows("orders", memory.used("orders", memory.number("slots_used") + 1))
    unused.require("instrument", np.zeros(len(unused), bool), "must be of a slot that was used")
    never = np.arange(memory.number("blocks_used") + 1, len(memory.arrays["blocks"]))
    for unused in (memory.rows("blocks", never), *(memory.rows(name, [0]) for name in OF_NOTHING)):
        for column in TABLES[unused.table].names or ("",):
            unused.require_range(column, 0, 0)


def _check_busts(memory: Memory) -> None:
    """Trades that were taken back were made, and each was taken back once."""
    count = memory.number("busts")
    rows = memory.rows("busts", np.arange(1, count + 1))
    trade = rows[""]
    is_trade = (trade >= 1) & (trade <= memory.number("trades"))
    rows.require("", is_trade, "must be the number of a trade")
    rows.require("", is_first_of(trade), "must be of another trade than those before")
    used = memory.used("busts")
    memory.rows("busts", used[(used == 0) | (used > count)]).require_range("", 0, 0)


def _check_directory(memory: Memory) -> None:
    """Each entry is a page that is used, of its own, and of an opened session."""
    rows = memory.rows("directory")
    page = rows[""]
    rows.require("", page <= memory.number("pages_used"), "must be a page that was used")
    rows.require("", is_first_of(page), "must be a page of its own")
    session = rows.numbers // pages_a_session(memory.limits)
    is_open = memory.column("sessions", "opened")[session] != 0
    rows.require("", is_open, "must be 0: the session is not opened")


def _check_pages(memory: Memory, page_orders: Integers, orders: int) -> None:
    """Pages in the directory count their live orders, and lead to nothing else."""
    pages = memory.rows("page_live", memory.rows("directory")[""])
    live = page_orders[pages.numbers]
    pages.require("", (pages[""] == live) & (live != 0), "must be the live orders of the page")
    unused = memory.rows("page_live", memory.used("page_live", memory.number("pages_used") + 1))
    unused.require_range("", 0, 0)
    if memory.count_used("pages") != orders:  # each live order has one, as orders.py checks
        places = np.zeros(len(memory.arrays["pages"]), bool)
        places[_places(memory)] = True
        rows = memory.rows("pages")
        rows.require("", places[rows.numbers], "must be 0: no live order has this id")


def _places(memory: Memory) -> Integers:
    """Index in the table of pages of each live order."""
    orders = memory.arrays["orders"][: memory.number("slots_used") + 1]
    orders = orders[orders["instrument"] != 0]
    ref = orders["user_ref"].astype(np.int64)
    entries = orders["session"].astype(np.int64) * pages_a_session(memory.limits) + ref // PAGE
    pages = memory.rows("directory", entries)[""]
    places: Integers = pages * PAGE + ref % PAGE
    return places
