"""The express lane: limit orders that need nothing special, and cancels of what rests.

These are nine in ten commands, so they have a way of their own through the machine, written for
speed: each check is one comparison, both sides run the same instructions, and records are written
by words. What the lane does not take (a refusal, a stop, a time, a page to be allotted) it leaves
untouched to orders.py, which says the same rules at length; tests compare both with the reference.

There are two copies of the lane: one leaves whatever concerns an hour where a block stands, the
other (`watched`) takes what helps no block. So the first pays nothing for blocks.
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
    """The lane where no block stands."""
    return run_fast(m, count, False)


@kernel
def run_watched(m, count):
    """The lane where blocks may stand."""
    return run_fast(m, count, True)


@inline
def run_fast(m, count, watched):
    """Work through the batch from the cursor on, as far as the lane goes.

    Returns RUNS where the order under way is about to trade, else LEFT: the next command, if there
    is one, is for the others.
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
