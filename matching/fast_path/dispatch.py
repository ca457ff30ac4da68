"""The fast path: limit orders without special terms, and cancels of resting orders.

These are nine in ten commands, so they have code of their own, written for speed: each check is one
comparison, both sides run the same instructions, and records are written by words. A command that
the fast path cannot finish (a rejection, a stop, an expiry, a page to be allocated) is left
untouched to `orders`, which states the same rules in full. Tests compare both with the reference.

There are two copies. One leaves every command about an instrument with a standing block to
`orders`; the other (`watched`) takes those that help no block. So the first copy pays nothing for
blocks.
"""

import numpy as np

from matching.book.events import STEP_EVENTS_MAX
from matching.fast_path.cancel import cancel_resting
from matching.fast_path.new import DONE, UNHANDLED, enter_limit
from matching.fast_path.prefetch import look_ahead
from matching.fast_path.record_words import (
    PLAIN_CANCEL,
    PLAIN_CANCEL_MASK,
    PLAIN_LIMIT,
    PLAIN_LIMIT_MASK,
    WORDS,
)
from matching.memory.compiler import inline, kernel

i64 = np.int64


@kernel
def run_unwatched(m, count):
    """Run the fast path where no block has ever stood."""
    return run_fast(m, count, False)


@kernel
def run_watched(m, count):
    """Run the fast path where blocks may stand."""
    return run_fast(m, count, True)


@inline
def run_fast(m, count, watched):
    """Run commands from the cursor on, as far as the fast path can.

    Returns RUNS where the order under way is about to trade, else UNHANDLED: the next command, if
    there is one, needs the general path.
    """
    state = m.state[0]
    last = i64(len(m.events)) - STEP_EVENTS_MAX
    at = state["cursor"]
    outcome = UNHANDLED
    while at < count and state["events"] <= last:
        if at >= state["foreseen"]:
            state["foreseen"] = look_ahead(m, state["foreseen"], count)
        time_ns = m.command_words[at * WORDS + 1]
        if not state["now_ns"] <= time_ns < state["next_due_ns"]:
            break
        codes = m.command_words[at * WORDS + 7]
        if codes & PLAIN_LIMIT_MASK == PLAIN_LIMIT:
            outcome = enter_limit(m, at, codes, watched)
        elif codes & PLAIN_CANCEL_MASK == PLAIN_CANCEL:
            outcome = cancel_resting(m, at, watched)
        else:
            break
        if outcome != DONE:
            break
        state["now_ns"] = time_ns
        at += 1
    state["cursor"] = at
    return outcome
