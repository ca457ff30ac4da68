"""The machine's state as tables of integers, and the hash over them.

The tables do not depend on the layout of memory: their columns are named here, their rows have a
stated order, and their cells are int64. Every engine offers `state_tables()`. Equal states have
equal tables, so hashes, differences and invariants need no knowledge of an engine's insides.
"""

from collections.abc import Mapping
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from matching.limits import Limits

Tables = Mapping[str, NDArray[np.int64]]
"""Rows of each table by its name: arrays of shape (rows, columns)."""

COLUMNS: dict[str, tuple[str, ...]] = {
    # One row. `ticks` are those allotted to bands; `trades`, `trade_groups` and `accepted` count
    # from the start of the day.
    "machine": ("now_ns", "trades", "trade_groups", "accepted", "ticks", "seed"),
    # Opened sessions by number, with what counts against their shares: live orders, those of them
    # that are blocks, pages of refs.
    "sessions": ("session", "firm", "operator", "orders", "blocks", "ref_pages"),
    # Opened accounts by number. Limits: 0 is none, but `position_max` is what acts. Funded: net of
    # what was withdrawn; it is free, reserved, held as deposit or paid.
    "accounts": (
        "account", "firm", "group", "halted", "order_max", "position_max", "notional_max_fen",
        "funded_fen", "free_fen", "reserved_fen", "deposit_fen", "paid_fen", "earned_fen",
    ),
    # Listed instruments by number. `gate_s` is 0 where none is to come, `last` before any trade;
    # `follows` is the instrument of the delivery period before, `longest` of its blocks.
    "instruments": (
        "instrument", "reference", "tick_fen", "band_low", "band_high", "ticks",
        "maker_rate", "taker_rate", "deposit_fen", "collar", "collar_s", "random_s", "extension",
        "extended", "gate_s", "gated", "phase", "last", "follows", "longest", "indicative_price",
        "indicative_volume", "indicative_surplus",
    ),
    # Phase changes to come, by second, instrument and order of scheduling. Causes: SCHEDULED_BY.
    "schedule": ("due_s", "instrument", "phase", "cause"),
    # Of an account in an instrument, by both numbers, where any of the four is not 0.
    "positions": ("account", "instrument", "registered", "net", "open_buy", "open_sell"),
    # Live orders in acceptance sequence. `stop` is 0 unless waiting, `expiry_s` unless GTD;
    # `fraction` is what the fee is short of, in millionths of a fen; `place` counts the orders in
    # front at its price, and is 0 for a waiting stop.
    "orders": (
        "accepted", "session", "user_ref", "account", "instrument", "side", "type", "tif", "stp",
        "post_only", "quote", "waiting", "price", "stop", "display", "leaves", "shown",
        "cumulative", "fraction", "expiry_s", "place",
    ),
    # Standing blocks in acceptance sequence, by their first instrument; `quantity` in every hour.
    "blocks": (
        "accepted", "session", "user_ref", "account", "instrument", "hours", "side", "tif", "stp",
        "price", "quantity", "expiry_s",
    ),
    # Members of baskets by basket and place, from 1.
    "baskets": ("basket", "place", "instrument"),
    # Trades that were taken back, by number.
    "busts": ("trade",),
    # Protections of accounts' quotes: bounds (0: none), and what was traded since the time began.
    "protections": (
        "account", "lots_max", "fills_max", "notional_max_fen", "window_s", "began_ns", "lots",
        "fills", "notional_fen", "tripped",
    ),
}  # fmt: skip

SCHEDULED_BY = {"close": 1, "command": 2, "collar": 3}
"""Causes of a scheduled phase change: the close, a PHASE command, the end of a collar's auction."""

SCHEDULED_PHASES_PER_INSTRUMENT = 4
"""Phase changes that PHASE commands may have pending per instrument of the limits, in sum."""


def scheduled_phases_max(limits: Limits) -> int:
    """Number of phase changes by PHASE commands that may be pending, in all instruments."""
    return SCHEDULED_PHASES_PER_INSTRUMENT * limits.instruments


def table(name: str, rows: list[tuple[int, ...]]) -> NDArray[np.int64]:
    """The rows as the table's array, of the right shape even without rows.

    Raises ValueError where a row has another number of columns, OverflowError beyond int64.
    """
    return np.array(rows, dtype=np.int64).reshape(len(rows), len(COLUMNS[name]))


def state_hash(tables: Tables) -> bytes:
    """SHA-256 over all tables in the order of COLUMNS.

    Each table enters as its number of rows and of columns, then its cells row by row, all int64
    little-endian; so no two states run into one another.
    """
    digest = sha256()
    for name, columns in COLUMNS.items():
        rows = tables[name]
        if rows.ndim != 2 or rows.shape[1] != len(columns):
            raise ValueError(f"state: table `{name}` has {len(columns)} columns, got {rows.shape}")
        digest.update(np.array(rows.shape, dtype="<i8").tobytes())
        digest.update(np.ascontiguousarray(rows, dtype="<i8").tobytes())
    return digest.digest()


def differences(left: Tables, right: Tables, at_most: int = 20) -> list[str]:
    """Differences between two states, one line each: table, row, column, both values."""
    lines: list[str] = []
    for name, columns in COLUMNS.items():
        if left[name].shape != right[name].shape:
            lines.append(f"{name}: {len(left[name])} rows against {len(right[name])}")
            continue
        for row, column in np.argwhere(left[name] != right[name])[:at_most]:
            values = f"{left[name][row, column]} against {right[name][row, column]}"
            lines.append(f"{name}[{row}].{columns[column]}: {values}")
    return lines[:at_most]
