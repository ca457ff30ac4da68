"""SQL of the settlement in SQLite: netting, postings, balances, and the codes that they use."""

from ledger.books.schema import enum_values

DAY_TABLES = (
    "trades", "instrument_days", "positions", "postings", "balances", "agreements", "nominations",
    "deliveries", "vouchers", "voucher_shares", "voucher_events",
)  # fmt: skip
"""The ledger's tables that grow with a day."""

BANK, CLEARING, FEES = 1, 2, 3
CASH, ESCROW, GUARANTEE, POOL = 10_000_000, 20_000_000, 30_000_000, 40_000_000
"""An account of the books is the sum of one of these and its number in the registry."""

NET = (
    """
    INSERT INTO net SELECT instrument << 32 | buyer, quantity, 0, price_ticks * quantity, 0,
        buyer_fee_fen, 0, sequence
    FROM trades WHERE true ON CONFLICT (cell) DO UPDATE SET bought = bought + excluded.bought,
        bought_ticks = bought_ticks + excluded.bought_ticks, buy_fee = buy_fee + excluded.buy_fee
    """,
    """
    INSERT INTO net SELECT instrument << 32 | seller, 0, quantity, 0, price_ticks * quantity, 0,
        seller_fee_fen, NULL
    FROM trades WHERE true ON CONFLICT (cell) DO UPDATE SET sold = sold + excluded.sold,
        sold_ticks = sold_ticks + excluded.sold_ticks, sell_fee = sell_fee + excluded.sell_fee
    """,
    """
    INSERT INTO instrument_days
    SELECT 1, d.instrument, tick_fen, trades, volume, ticks * tick_fen, o.price_ticks, high, low,
        c.price_ticks, (2 * ticks + volume) / (2 * volume)
    FROM (
        SELECT instrument, count(*) AS trades, sum(quantity) AS volume, max(price_ticks) AS high,
            sum(price_ticks * quantity) AS ticks, min(price_ticks) AS low, min(rowid) AS opens,
            max(rowid) AS closes
        FROM trades GROUP BY instrument
    ) AS d JOIN instruments AS i ON i.id = d.instrument
    JOIN trades AS o ON o.rowid = d.opens JOIN trades AS c ON c.rowid = d.closes
    """,
    """
    INSERT INTO positions
    SELECT 1, cell & 0xffffffff, cell >> 32, i.tick_fen, 0, 0, bought, sold,
        bought_ticks * i.tick_fen, sold_ticks * i.tick_fen, 0, bought - sold, settlement_ticks,
        (bought_ticks - sold_ticks - (bought - sold) * settlement_ticks) * i.tick_fen,
        max(bought - sold, 0) * settlement_ticks * i.tick_fen,
        max(sold - bought, 0) * deposit_fen,
        buy_fee + CASE WHEN bought < sold THEN 0 ELSE sell_fee END,
        CASE WHEN bought < sold THEN sell_fee ELSE 0 END,
        CASE WHEN first_sequence THEN :day END, first_sequence
    FROM net JOIN instruments AS i ON i.id = cell >> 32
    JOIN instrument_days AS d ON d.instrument = i.id
    """,
)

POSTING_KINDS = {kind: code for code, kind in enumerate(enum_values("posting_kind"))}
VOUCHER_STATES = {state: code for code, state in enumerate(enum_values("voucher_state"))}

_DEDUCTED, _REIMBURSED = ("reserved", "consumed"), ("claimed", "redeemed", "paid")
PAYMENTS = {
    "deduct": (POSTING_KINDS["voucher"], [VOUCHER_STATES[state] for state in _DEDUCTED]),
    "reimburse": (POSTING_KINDS["claim"], [VOUCHER_STATES[state] for state in _REIMBURSED]),
}
"""By a programme's model: the kind of the posting that pays a grant, and the voucher's states."""

POST_POSITIONS = f"""
INSERT INTO postings (batch, day, kind, from_account, to_account, amount_fen, instrument)
SELECT 1, :day, {POSTING_KINDS["difference"]},
    CASE WHEN difference_fen > 0 THEN {CASH} + account ELSE {CLEARING} END,
    CASE WHEN difference_fen > 0 THEN {CLEARING} ELSE {CASH} + account END,
    abs(difference_fen), instrument
FROM positions WHERE difference_fen <> 0
UNION ALL
SELECT 1, :day, {POSTING_KINDS["escrow"]}, {CASH} + account, {ESCROW} + instrument, escrow_fen,
    instrument
FROM positions WHERE escrow_fen > 0
UNION ALL
SELECT 1, :day, {POSTING_KINDS["guarantee"]}, {CASH} + account, {GUARANTEE} + account,
    guaranteed_fen, instrument
FROM positions WHERE guaranteed_fen > 0
UNION ALL
SELECT 1, :day, {POSTING_KINDS["fee"]}, {CASH} + account, {FEES}, fee_fen, instrument
FROM positions WHERE fee_fen > 0
"""

INSERT_POSTING = (
    "INSERT INTO postings (batch, day, kind, from_account, to_account, amount_fen, instrument, "
    "agreement) VALUES (2, ?, ?, ?, ?, ?, ?, ?)"
)

CLOSE_POSITIONS = """
INSERT INTO positions
SELECT 2, account, instrument, tick_fen, quantity, price_ticks, 0, 0, 0, 0, -quantity, 0,
    price_ticks, 0, 0, 0, 0, 0, NULL, NULL
FROM positions WHERE quantity <> 0
"""

BALANCES = """
INSERT INTO balances
SELECT :batch, m.account, m.fen + coalesce(b.balance_fen, 0) FROM (
    SELECT account, sum(fen) AS fen FROM (
        SELECT to_account AS account, sum(amount_fen) AS fen FROM postings WHERE batch = :batch
        GROUP BY 1
        UNION ALL
        SELECT from_account, -sum(amount_fen) FROM postings WHERE batch = :batch GROUP BY 1
    ) GROUP BY 1
) AS m LEFT JOIN balances AS b ON b.account = m.account AND b.batch = :batch - 1
"""
