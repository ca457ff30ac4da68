"""CLOCK: time passes, and the indicative prices of the auctions are reported where they changed."""

import numpy as np

from matching.book.auctions import next_auction
from matching.book.events import emit, reject
from matching.book.registry import base_price, is_open
from matching.codes import KIND_INDICATIVE, MALFORMED
from matching.memory.compiler import inline, kernel
from matching.phases.auction_quantities import begin_measure, cross
from matching.records import INT32_MAX
from matching.stages import INDICATE, NEXT_AUCTION

i64 = np.int64


@kernel
def begin_clock(m, c):
    """Carry out CLOCK. The venue's, or an operator's, may give a seed, and has the indicative
    prices reported."""
    state = m.state[0]
    if (i64(c["hours"]) | i64(c["spare"]) | i64(c["flags"])) != 0:
        reject(m, c, MALFORMED)
        return
    session_id = i64(c["session"])
    if not is_open(m, session_id) or i64(m.sessions[session_id]["operator"]) == 0:
        return
    if c["amount_fen"] != 0:
        state["seed"] = c["amount_fen"]
    state["instrument"] = 0
    state["stage"] = NEXT_AUCTION


@kernel
def find_next_auction(m):
    """Begin to measure the next instrument in an auction. Returns whether there is one."""
    instrument_id = next_auction(m, m.state[0]["instrument"])
    if instrument_id != 0:
        begin_measure(m, instrument_id, INDICATE)
    return instrument_id != 0


@kernel
def report_indicative(m, c):
    """Report price, volume and surplus of an uncross now, if they changed since the last report."""
    state = m.state[0]
    instrument_id = state["instrument"]
    auction = m.auctions[instrument_id]
    base = base_price(m.instruments[instrument_id])
    price, volume, surplus = cross(m, instrument_id, base)
    if (
        price != i64(auction["price"])
        or volume != i64(auction["volume"])
        or surplus != i64(auction["surplus"])
    ):
        auction["price"] = price
        auction["volume"] = volume
        auction["surplus"] = surplus
        write_indicative(m, c, instrument_id, price, volume, surplus)
    state["stage"] = NEXT_AUCTION


@inline
def write_indicative(m, c, instrument_id, price, volume, surplus):
    """Append an INDICATIVE event. Quantities beyond the field are cut to its largest."""
    quantity = min(volume, i64(INT32_MAX))
    at = emit(m, c, KIND_INDICATIVE, 0, 0, 0, 0, price, quantity)
    event = m.events[at]
    event["leaves"] = min(abs(surplus), i64(INT32_MAX))
    event["cumulative"] = 0
    event["session"] = 0
    event["user_ref"] = 0
    event["account"] = 0
    event["instrument"] = instrument_id
    event["side"] = 1 if surplus < 0 else 0
