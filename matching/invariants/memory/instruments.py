"""Instruments in a machine's memory: terms, memory of their levels, sequences and baskets."""

import numpy as np

from matching.admin.commands import TICK_MAX_FEN
from matching.invariants.memory.rows import COUNT_MAX, LOW, Integers, Memory, Rows, is_first_of
from matching.memory.layout import AUCTIONED_BITS, BOOKS, MEMBERS, TICKS_MAX
from matching.records import (
    AUCTION_MAX_S,
    BLOCK_HOURS_MAX,
    BLOCK_HOURS_MIN,
    FEE_MAX_FEN,
    INT32_MAX,
    NOTIONAL_MAX_FEN,
    RATE_MAX,
    RATE_UNIT,
    Phase,
)


def check_instruments(memory: Memory) -> None:
    """Instruments are listed, their terms are ones that commands set, gated ones are closed."""
    rows = memory.rows("instruments")
    is_listed = (rows["phase"] >= 1) & (rows["phase"] <= int(Phase.CLOSED)) & (rows.numbers != 0)
    rows.require("phase", is_listed, "must be a phase")
    rows.require_range("gated", 0, 1)
    is_closed = rows["phase"] == int(Phase.CLOSED)
    rows.require("phase", (rows["gated"] == 0) | is_closed, "must be closed: the gate is")
    rows.require("phase", (rows["width"] != 0) | is_closed, "must be closed: there is no band")
    rows.require_range("watched", 0, 1)
    rows.require_range("reference", 1, INT32_MAX)
    rows.require_range("tick_fen", 1, TICK_MAX_FEN)
    for column in ("maker_rate", "taker_rate"):
        rows.require_range(column, 0, RATE_MAX)
    dearer = np.maximum(rows["maker_rate"], rows["taker_rate"])
    rows.require("dearer_rate", rows["dearer_rate"] == dearer, "must be the dearer of both rates")
    for column in ("deposit_fen", "collar", "last"):
        rows.require_range(column, 0, INT32_MAX)
    seconds = rows["collar_s"]
    rows.require_range("collar_s", 0, AUCTION_MAX_S)
    rows.require("collar_s", (rows["collar"] == 0) | (seconds != 0), "must be at least 1")
    for column in ("close_s", "gate_s"):
        second = rows[column]
        later = (second == 0) | (second * 10**9 > memory.number("now_ns"))
        rows.require(column, later, "must be 0, or later than the machine's time")
    _check_bands(memory, rows)
    _check_sequences(memory, rows)


def _check_bands(memory: Memory, rows: Rows) -> None:
    """Bands are prices, and their levels' memory follows one another without a gap."""
    width, low, high = rows["width"], rows["low"], rows["high"]
    rows.require_range("width", 0, TICKS_MAX)
    has_band = width != 0
    rows.require(
        "low", np.where(has_band, low >= 1, low == 0), "must be a price, or 0 without band"
    )
    fits = np.where(has_band, (low <= high) & (high - low < width), high == 0)
    rows.require("high", fits, "must end a band that its memory holds, or be 0 without band")
    words = (width + 63) >> 6
    rows.require("words", rows["words"] == words, "must be what the band's ticks need")
    rows.require("groups", rows["groups"] == (words + 63) >> 6, "must be what the words need")
    dearest = np.maximum(rows["dearer_rate"], 1)
    worth = np.minimum(NOTIONAL_MAX_FEN, FEE_MAX_FEN * RATE_UNIT // dearest)
    most = np.minimum(INT32_MAX, worth // np.maximum(high * rows["tick_fen"], 1))
    most = np.where(has_band, most, 0)
    rows.require("quantity_max", rows["quantity_max"] == most, "must be what fees and band admit")
    bare = rows.where(~has_band)
    for column in ("level_base", "word_base"):
        bare.require_range(column, 0, 0)
    bands = rows.where(has_band).sorted_by("level_base")
    first = len(memory.arrays["orders"])
    levels = BOOKS * (bands["width"] + 1)
    bits = BOOKS * (bands["words"] + bands["groups"] + 1)
    for column, start, sizes, table, used in (
        ("level_base", first, levels, "links", "levels_used"),
        ("word_base", 0, bits, "words", "words_used"),
    ):
        ends = start + np.cumsum(sizes)
        bands.require(column, bands[column] == ends - sizes, "must follow the band before")
        bands.require(column, ends <= len(memory.arrays[table]), "must end within its table")
        state = memory.state
        sum_ = int(sizes.sum())
        state.require(used, state[used] == sum_, f"must be the sum of all bands, {sum_}")
    state = memory.state
    state.require(
        "bands", state["bands"] == len(bands), f"must be the number of bands, {len(bands)}"
    )
    ticks = int(bands["width"].sum())
    rule = f"must fit the limit of {memory.limits.ticks} ticks, with all other bands"
    bands.require("width", np.full(len(bands), ticks <= memory.limits.ticks), rule)


def _check_sequences(memory: Memory, rows: Rows) -> None:
    """`after` and `follows` are each other's inverse, in chains without a circle."""
    count = len(memory.arrays["instruments"])
    after, follows = (memory.column("instruments", name) for name in ("after", "follows"))
    for column, back in (("after", follows), ("follows", after)):
        other = rows[column]
        rows.require(column, other < count, "must be an instrument, or 0")
        leads_back = (other == 0) | (back[other] == rows.numbers)
        rows.require(column, leads_back, "must be an instrument that names this one in turn")
    tick_fen = memory.column("instruments", "tick_fen")
    same = (rows["follows"] == 0) | (tick_fen[rows["follows"]] == rows["tick_fen"])
    rows.require("follows", same, "must be an instrument with the same fen per tick")
    is_linked = (rows["after"] | rows["follows"]) != 0
    longest = rows["longest"]
    is_length = (longest >= BLOCK_HOURS_MIN) & (longest <= BLOCK_HOURS_MAX)
    rule = f"must be between {BLOCK_HOURS_MIN} and {BLOCK_HOURS_MAX} in a sequence, else 0"
    rows.require("longest", np.where(is_linked, is_length, longest == 0), rule)
    begins = follows[sequence_heads(memory)[rows.numbers]] == 0
    rows.require("follows", begins, "must lead to a first instrument, not in a circle")


def sequence_heads(memory: Memory) -> Integers:
    """The first instrument of each instrument's sequence, which may be itself.

    Each pass doubles the steps. In a circle, which has no first, it is one that follows another.
    """
    heads = memory.column("instruments", "follows")
    heads = np.where(heads == 0, np.arange(len(heads)), heads)
    for _ in range(len(heads).bit_length()):
        heads = heads[heads]
    return heads


def check_baskets(memory: Memory) -> None:
    """Members of a basket are listed, without a gap, alike, and of different sequences."""
    rows = memory.rows("members")
    member = rows[""]
    basket, place = np.divmod(rows.numbers, MEMBERS)
    instruments = memory.arrays["instruments"]
    is_member = (basket != 0) & (member < len(instruments))
    listed = memory.column("instruments", "phase") != 0
    is_member &= listed[np.where(is_member, member, 0)]
    rows.require("", is_member, "must be a listed instrument of a basket from 1 on")
    packed = (place == 0) | (memory.arrays["members"][rows.numbers - (place != 0)] != 0)
    rows.require("", packed, "must come behind the basket's other members")
    first = memory.arrays["members"][basket * MEMBERS].astype(np.int64)
    tick_fen = memory.column("instruments", "tick_fen")
    rows.require("", tick_fen[first] == tick_fen[member], "must have the basket's fen per tick")
    keys = (basket << 32) | (sequence_heads(memory)[member] & LOW)
    is_alone = is_first_of(keys)
    rows.require("", is_alone, "must be of another sequence than the basket's other members")


def check_auctions(memory: Memory) -> None:
    """Auctions are of listed instruments; a bit marks those that are in one, and only they have an
    indicative price."""
    rows = memory.rows("auctions")
    phase = memory.column("instruments", "phase")
    rows.require("random_s", phase[rows.numbers] != 0, "must be 0: the instrument is not listed")
    rows.require_range("random_s", 0, AUCTION_MAX_S)
    rows.require_range("extension", 0, INT32_MAX)
    rows.require_range("extended", 0, 1)
    is_still = phase[rows.numbers] != int(Phase.AUCTION)
    for column, low, high in (
        ("price", 0, INT32_MAX),
        ("volume", 0, COUNT_MAX),
        ("surplus", -COUNT_MAX, COUNT_MAX),
    ):
        rows.require_range(column, low, high)
        rows.require(column, ~is_still | (rows[column] == 0), "must be 0 outside an auction")
    number = np.arange(len(phase))
    bits = np.zeros(len(memory.arrays["auctioned"]), np.int64)
    is_auction = phase == int(Phase.AUCTION)
    np.bitwise_or.at(
        bits, number[is_auction] // AUCTIONED_BITS, 1 << number[is_auction] % AUCTIONED_BITS
    )
    words = memory.rows("auctioned", np.arange(len(bits)))
    words.require("", words[""] == bits, "must have a bit for each instrument in an auction")
