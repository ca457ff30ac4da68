"""What a C program calls: kernels whose first argument is the address of a machine's header.

They add nothing to the machine. A run is `advance`'s, but events are added to those that are in the
buffer, and look-ahead can be left out: then no command is read before its turn has come.
"""

import numpy as np

from matching.book.price_levels import first, following, index_at, is_order, level_at, price_at, top
from matching.fast_path.prefetch import BLIND
from matching.initial_state import open_memory
from matching.loop import run
from matching.memory.compiler import inline
from matching.memory.machine_type import machine_at

i64 = np.int64

open_memory_inline = inline(open_memory)


def prepare(header, refs, session_pages):
    """Make a machine of zeroed memory."""
    open_memory_inline(machine_at(header), refs, session_pages)
    return i64(0)


def rewind(header, events):
    """Say how many events of the buffer are to be kept: the next one is written behind them."""
    machine_at(header).state[0]["events"] = events
    return events


def run_seeing(header, count):
    """Run commands; while one is worked on, what later ones touch is fetched."""
    return begin(machine_at(header), count, i64(0))


def run_blind(header, count):
    """Run commands, none of which is looked at before its turn."""
    return begin(machine_at(header), count, i64(BLIND))


def resume(header, count):
    """Go on after the event buffer was full."""
    return go_on(machine_at(header), count)


@inline
def begin(m, count, foreseen):
    """Start with the first command; look-ahead begins at command `foreseen`."""
    state = m.state[0]
    state["cursor"] = 0
    state["foreseen"] = foreseen
    return go_on(m, count)


@inline
def go_on(m, count):
    """Run to the end. Returns the events in the buffer, or -1 less their number where it is full
    and there is more to come."""
    if run(m, count):
        return m.state[0]["events"]
    return -1 - m.state[0]["events"]


def best(header, instrument_id, book):
    """Best price of the bids (0) or asks (1); 0 where there is none."""
    m = machine_at(header)
    index = top(m, instrument_id, book)
    return price_at(m.instruments[instrument_id], book, index) if index != 0 else i64(0)


def depth(header, instrument_id, book, price):
    """Lots that rest at a price, hidden ones included; 0 for a price outside the band."""
    m = machine_at(header)
    instrument = m.instruments[instrument_id]
    found = i64(0)
    if i64(instrument["low"]) <= price <= i64(instrument["high"]):
        slot = first(m, level_at(instrument, book, index_at(instrument, book, price)))
        while is_order(m, slot):
            found += i64(m.orders[slot]["leaves"])
            slot = following(m, slot)
    return found


ENTRIES = {
    "prepare": (prepare, 3),
    "rewind": (rewind, 2),
    "run_seeing": (run_seeing, 2),
    "run_blind": (run_blind, 2),
    "resume": (resume, 2),
    "best": (best, 3),
    "depth": (depth, 4),
}
"""The functions by name, with the number of their arguments, all of them int64."""
