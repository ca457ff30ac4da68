"""The functions that a C program calls; the first argument is the address of a machine's header.

They run the same loop as the engine. They differ in two ways: events are added behind those in the
buffer, and prefetching can be switched off, so that no command is read before its turn.
"""

import numpy as np

from matching.book.price_levels import (
    first_order,
    index_at,
    is_order,
    level_at,
    next_order,
    price_at,
    top,
)
from matching.fast_path.prefetch import NO_LOOK_AHEAD
from matching.initial_state import open_memory
from matching.loop import run
from matching.memory.compiler import inline
from matching.memory.machine_type import machine_at

i64 = np.int64

open_memory_inline = inline(open_memory)


def prepare(header, refs, session_pages, orders, blocks, ref_pages):
    """Initialise a machine in zeroed memory; the last three are the shares of a session."""
    open_memory_inline(machine_at(header), refs, session_pages, (orders, blocks, ref_pages))
    return i64(0)


def rewind(header, events):
    """Keep this number of events in the buffer; the next event is written behind them."""
    machine_at(header).state[0]["events"] = events
    return events


def run_with_prefetch(header, count):
    """Run commands, and prefetch the memory that later commands will use."""
    return begin(machine_at(header), count, i64(0))


def run_blind(header, count):
    """Run commands without prefetching: none is read before its turn."""
    return begin(machine_at(header), count, i64(NO_LOOK_AHEAD))


def resume(header, count):
    """Go on with commands that were left."""
    return go_on(machine_at(header), count)


@inline
def begin(m, count, foreseen):
    """Start with the first command; prefetching begins at command `foreseen`."""
    state = m.state[0]
    state["cursor"] = 0
    state["foreseen"] = foreseen
    return go_on(m, count)


@inline
def go_on(m, count):
    """Run until all commands are done, the buffer is full, or the call has worked long enough.

    Returns the number of events in the buffer; -1 less that number where commands are left.
    """
    if run(m, count):
        return m.state[0]["events"]
    return -1 - m.state[0]["events"]


def best(header, instrument_id, book):
    """Best price of bids (book 0) or asks (book 1), in ticks; 0 where the book is empty."""
    m = machine_at(header)
    index = top(m, instrument_id, book)
    return price_at(m.instruments[instrument_id], book, index) if index != 0 else i64(0)


def depth(header, instrument_id, book, price):
    """Lots that rest at a price, hidden lots included; 0 for a price outside the band, as each is
    where there is no band."""
    m = machine_at(header)
    instrument = m.instruments[instrument_id]
    found = i64(0)
    if 0 < i64(instrument["low"]) <= price <= i64(instrument["high"]):
        slot = first_order(m, level_at(instrument, book, index_at(instrument, book, price)))
        while is_order(m, slot):
            found += i64(m.orders[slot]["leaves"])
            slot = next_order(m, slot)
    return found


ENTRIES = {
    "prepare": (prepare, 6),
    "rewind": (rewind, 2),
    "run_with_prefetch": (run_with_prefetch, 2),
    "run_blind": (run_blind, 2),
    "resume": (resume, 2),
    "best": (best, 3),
    "depth": (depth, 4),
}
"""The functions by name, with the number of their arguments, all of them int64."""
