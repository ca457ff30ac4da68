"""Protection of quotes: what an account's quotes trade within a time, and the bounds of it."""

import numpy as np

from matching.memory.compiler import kernel
from matching.memory.layout import QUOTE_BIT

i64 = np.int64


@kernel
def note_quote_fill(m, order, quantity, notional_fen):
    """Count a fill against the protection of its account, if the order is a quote's. At a bound the
    account joins those whose quotes are to be withdrawn."""
    state = m.state[0]
    account_id = i64(order["account"])
    known = m.protections[account_id]
    is_quote = (i64(order["mode"]) & QUOTE_BIT) != 0
    if not is_quote or known["window_ns"] == 0 or i64(known["tripped"]) != 0:
        return
    if known["fills"] == 0 or state["now_ns"] - known["began_ns"] >= known["window_ns"]:
        known["began_ns"] = state["now_ns"]
        known["lots"] = 0
        known["fills"] = 0
        known["notional"] = 0
    known["lots"] += quantity
    known["fills"] += 1
    known["notional"] += notional_fen
    if (
        0 < known["lots_max"] <= known["lots"]
        or 0 < known["fills_max"] <= known["fills"]
        or 0 < known["notional_max"] <= known["notional"]
    ):
        known["tripped"] = 1
        known["next"] = state["tripped"]
        state["tripped"] = account_id
