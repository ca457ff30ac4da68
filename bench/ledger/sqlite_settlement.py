"""The same settlement in SQLite, with the same rows: what the ledger is compared with.

WAL and synchronous=FULL, so that a commit is durable; one transaction, no index, rows written by
executemany, whole numbers for accounts and kinds. A day is netted by upserts into a table of
positions, which takes a fifth of the time of a GROUP BY over both sides of the trades. Nominations,
agreements and grants are sequential Python over sorted rows, as one would write it. The tables that
the days fill are the ledger's, with all of their columns. No hashes and no certificate: less than
what the ledger does.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

from ledger.books.database import Books
from ledger.books.directory import EPOCH, day_number, shanghai_day
from ledger.books.schema import columns_of, enum_values
from ledger.daylog.registry import Programme, Registry
from ledger.settlement.fills import Fills

FILLED = (
    "trades", "instrument_days", "positions", "postings", "balances", "agreements", "nominations",
    "deliveries", "vouchers", "voucher_shares", "voucher_events",
)  # fmt: skip
"""The ledger's tables that grow with a day."""

_BANK, _CLEARING, _FEES = 1, 2, 3
_CASH, _ESCROW, _GUARANTEE, _POOL = 10_000_000, 20_000_000, 30_000_000, 40_000_000
"""An account of the books is one of these plus the registry's number."""

_NET = (
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

_KINDS = {kind: code for code, kind in enumerate(enum_values("posting_kind"))}

_STATES = {state: code for code, state in enumerate(enum_values("voucher_state"))}
_LIVES = {
    "deduct": (_KINDS["voucher"], [_STATES["reserved"], _STATES["consumed"]]),
    "reimburse": (_KINDS["claim"], [_STATES[each] for each in ("claimed", "redeemed", "paid")]),
}
"""How a programme's grants are paid, and the states of a voucher that is paid in full."""

_POST = f"""
INSERT INTO postings (batch, day, kind, from_account, to_account, amount_fen, instrument)
SELECT 1, :day, {_KINDS["difference"]},
    CASE WHEN difference_fen > 0 THEN {_CASH} + account ELSE {_CLEARING} END,
    CASE WHEN difference_fen > 0 THEN {_CLEARING} ELSE {_CASH} + account END,
    abs(difference_fen), instrument
FROM positions WHERE difference_fen <> 0
UNION ALL
SELECT 1, :day, {_KINDS["escrow"]}, {_CASH} + account, {_ESCROW} + instrument, escrow_fen,
    instrument
FROM positions WHERE escrow_fen > 0
UNION ALL
SELECT 1, :day, {_KINDS["guarantee"]}, {_CASH} + account, {_GUARANTEE} + account, guaranteed_fen,
    instrument
FROM positions WHERE guaranteed_fen > 0
UNION ALL
SELECT 1, :day, {_KINDS["fee"]}, {_CASH} + account, {_FEES}, fee_fen, instrument
FROM positions WHERE fee_fen > 0
"""

_POST_ONE = (
    "INSERT INTO postings (batch, day, kind, from_account, to_account, amount_fen, instrument, "
    "agreement) VALUES (2, ?, ?, ?, ?, ?, ?, ?)"
)

_CLOSE = """
INSERT INTO positions
SELECT 2, account, instrument, tick_fen, quantity, price_ticks, 0, 0, 0, 0, -quantity, 0,
    price_ticks, 0, 0, 0, 0, 0, NULL, NULL
FROM positions WHERE quantity <> 0
"""

_BALANCES = """
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

Row = tuple[Any, ...]


def create_sqlite(path: Path) -> sqlite3.Connection:
    """A new SQLite file with the tables."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA cache_size = -1000000")
    connection.execute("PRAGMA temp_store = MEMORY")
    _lay_out(connection)
    return connection


def settle_sqlite(connection: sqlite3.Connection, registry: Registry, fills: Fills) -> None:
    """Settle a day, in one transaction."""
    day = {"day": day_number(registry.trading_day)}
    connection.execute("BEGIN")
    _load(connection, registry, fills)
    for step in (*_NET, _POST):
        connection.execute(step, day)
    connection.execute(_BALANCES, {"batch": 1})
    lines = _nominate(connection, registry)
    agreements = _agreements(connection, registry, lines)
    connection.execute(_CLOSE)
    connection.executemany(
        _POST_ONE, ((day["day"], *each) for each in _deliveries(connection, lines, agreements))
    )
    _grant(connection, registry, agreements)
    connection.execute(_BALANCES, {"batch": 2})
    connection.execute("COMMIT")


def _lay_out(connection: sqlite3.Connection) -> None:
    connection.execute(
        "CREATE TABLE instruments (id INTEGER PRIMARY KEY, tick_fen INTEGER, deposit_fen INTEGER)"
    )
    connection.execute(
        "CREATE TEMP TABLE net (cell INTEGER PRIMARY KEY, bought INTEGER, sold INTEGER, "
        "bought_ticks INTEGER, sold_ticks INTEGER, buy_fee INTEGER, sell_fee INTEGER, "
        "first_sequence INTEGER)"
    )
    for table in FILLED:
        columns = [f"{name} INTEGER" for name in columns_of(table)]
        if table == "postings":
            columns[0] = "id INTEGER PRIMARY KEY"
            columns += ["CHECK (amount_fen > 0)", "CHECK (from_account <> to_account)"]
        connection.execute(f"CREATE TABLE {table} ({', '.join(columns)})")


def _load(connection: sqlite3.Connection, registry: Registry, fills: Fills) -> None:
    contracts = {each.code: each for each in registry.contracts}
    connection.executemany(
        "INSERT INTO instruments VALUES (?, ?, ?)",
        [
            (each.id, contracts[each.contract].tick_fen, contracts[each.contract].deposit_fen)
            for each in registry.instruments
        ],
    )
    names = [name for name in columns_of("trades") if name != "batch"]
    step = 100_000
    for start in range(0, len(fills.trades["trade_id"]), step):
        columns = [fills.trades[name][start : start + step].tolist() for name in names]
        _insert(connection, "trades", zip(*columns, strict=True), batch=1)
    transfers = fills.transfers
    connection.executemany(
        "INSERT INTO postings (batch, day, kind, from_account, to_account, amount_fen, sequence) "
        f"VALUES (1, {day_number(registry.trading_day)}, {_KINDS['deposit']}, {_BANK}, "
        f"{_CASH} + ?, ?, ?)",
        zip(
            transfers["account"].tolist(), transfers["amount_fen"].tolist(),
            transfers["sequence"].tolist(), strict=True,
        ),
    )  # fmt: skip


def _insert(connection: sqlite3.Connection, table: str, rows: Iterable[Row], *, batch: int) -> None:
    """Rows without their first column, which is the batch."""
    marks = ", ".join("?" for _ in columns_of(table)[1:])
    connection.executemany(f"INSERT INTO {table} VALUES ({batch}, {marks})", rows)


def _nominate(connection: sqlite3.Connection, registry: Registry) -> list[Row]:
    """Delivery lines by the rule of `ledger.delivery.nomination`: hour by hour, keep, then pair."""
    order = {each.id: each for each in registry.instruments}
    days = {each.id: day_number(shanghai_day(each.delivery_start_s)) for each in order.values()}
    contracts = {each.code: row for row, each in enumerate(registry.contracts)}
    books: dict[tuple[int, int, int, int], list[Row]] = defaultdict(list)
    for row in connection.execute(
        "SELECT instrument, account, quantity, price_ticks, escrow_fen, guaranteed_fen, "
        "fee_due_fen, first_sequence FROM positions WHERE quantity <> 0 "
        "ORDER BY instrument, account"
    ):
        each = order[row[0]]
        key = (contracts[each.contract], days[each.id], each.delivery_start_s, each.id)
        books[key].append(row)
    lines: list[Row] = []
    before: tuple[int, int] | None = None
    kept: list[tuple[int, int, int]] = []
    for contract, day, start_s, number in sorted(books):
        open_rows = books[contract, day, start_s, number]
        rows = {row[1]: row for row in open_rows}
        pieces = _pieces(open_rows, kept if before == (contract, start_s) else [])
        used: dict[int, int] = defaultdict(int)
        for (buyer, supplier), quantity in sorted(pieces.items()):
            long, short = rows[buyer], rows[supplier]
            value = long[4] // long[2] * quantity
            since, sold = used[supplier], -short[2]
            used[supplier] = until = since + quantity
            fee, held = (
                whole * until // sold - whole * since // sold for whole in (short[6], short[5])
            )
            lines.append((
                buyer, supplier, contract, day, number, quantity, long[3], value, fee, held, long[7]
            ))  # fmt: skip
        kept = [(buyer, supplier, quantity) for (buyer, supplier), quantity in pieces.items()]
        before = (contract, order[number].delivery_end_s)
    return lines


def _pieces(rows: list[Row], kept: list[tuple[int, int, int]]) -> dict[tuple[int, int], int]:
    left = {row[1]: row[2] for row in rows}
    pieces: dict[tuple[int, int], int] = defaultdict(int)
    for buyer, supplier, quantity in kept:
        piece = min(quantity, left.get(buyer, 0), -left.get(supplier, 0))
        if piece > 0:
            pieces[buyer, supplier] += piece
            left[buyer] -= piece
            left[supplier] += piece
    suppliers = iter([account for account, quantity in left.items() if quantity < 0])
    supplier = next(suppliers, 0)
    for buyer in [account for account, quantity in left.items() if quantity > 0]:
        while left[buyer] > 0:
            while left[supplier] >= 0:
                supplier = next(suppliers)
            piece = min(left[buyer], -left[supplier])
            pieces[buyer, supplier] += piece
            left[buyer] -= piece
            left[supplier] += piece
    return pieces


def _agreements(
    connection: sqlite3.Connection, registry: Registry, lines: list[Row]
) -> dict[Row, list[int]]:
    """By (buyer, supplier, contract, day): number, first buy, quantity, value, fee; in order."""
    found: dict[Row, list[int]] = {}
    for line in lines:
        one = found.setdefault(line[:4], [0, line[10], 0, 0, 0])
        one[1] = min(one[1], line[10])
        one[2] += line[5]
        one[3] += line[7]
        one[4] += line[8]
    ordered = sorted(found, key=lambda key: (found[key][1], *key))
    found = {key: found[key] for key in ordered}
    for number, one in enumerate(found.values(), 1):
        one[0] = number
    firm = {account.id: account.firm for account in registry.accounts}
    today = day_number(registry.trading_day)
    _insert(connection, "agreements", (
        (number, buyer, supplier, contract, day, quantity, value, fee, firm[buyer], firm[supplier],
         firm[buyer] == firm[supplier], today, first)
        for (buyer, supplier, contract, day), (number, first, quantity, value, fee) in found.items()
    ), batch=2)  # fmt: skip
    _insert(connection, "nominations", (
        (found[line[:4]][0], *line[4:10]) for line in lines
    ), batch=2)  # fmt: skip
    return found


def _deliveries(
    connection: sqlite3.Connection, lines: list[Row], agreements: dict[Row, list[int]]
) -> list[Row]:
    """Everything is delivered; what escrow pays for it, in three kinds of postings."""
    delivery, postings = [], []
    for line in lines:
        _, supplier, _, _, number, quantity, _, value, fee, held, _ = line
        agreement, cash = agreements[line[:4]][0], _CASH + supplier
        delivery.append((agreement, number, quantity, quantity * 1_000_000, 0, 0, value, 0, fee, 0))
        about = (number, agreement)
        postings.append((_KINDS["delivery"], _ESCROW + number, cash, value, *about))
        if fee:
            postings.append((_KINDS["fee"], cash, _FEES, fee, *about))
        if held:
            postings.append((_KINDS["release"], _GUARANTEE + supplier, cash, held, *about))
    _insert(connection, "deliveries", delivery, batch=2)
    return postings


def _grant(
    connection: sqlite3.Connection, registry: Registry, agreements: dict[Row, list[int]]
) -> None:
    """First come, first served under three caps, what the funders pay, and each voucher's life."""
    firm_of = {account.id: account.firm for account in registry.accounts}
    firms = {firm.id: firm for firm in registry.firms}
    firm_used: dict[Row, int] = defaultdict(int)
    pool_used: dict[Row, int] = defaultdict(int)
    vouchers: list[Row] = []
    shares: list[Row] = []
    postings: list[Row] = []
    events: list[Row] = []
    today = day_number(registry.trading_day)
    for (buyer, supplier, _, day), (number, _, _, value, _) in agreements.items():
        firm = firms[firm_of[buyer]]
        turn, programme = next(
            ((turn, each) for turn, each in enumerate(registry.programmes)
             if not each.buyer_cities or firm.city in each.buyer_cities), (0, None),
        )  # fmt: skip
        if programme is None or firm.id == firm_of[supplier]:
            continue
        year = (EPOCH + timedelta(days=day)).year
        own, pool = (turn, firm.id, year), (turn, year)
        want = value * programme.rate_bp // 10_000
        most = [want, *(
            cap - used for cap, used in (
                (programme.per_agreement_cap_fen, 0),
                (programme.per_firm_year_cap_fen, firm_used[own]),
                (programme.pool_year_fen, pool_used[pool]),
            ) if cap is not None
        )]  # fmt: skip
        grant = max(0, min(most))
        voucher = len(vouchers) + 1
        vouchers.append((
            voucher, number, None, None, None, turn, programme.version, 0,
            int(programme.model == "reimburse"), 0, firm.id, year, value, value, programme.rate_bp,
            want, programme.per_agreement_cap_fen, programme.per_firm_year_cap_fen, firm_used[own],
            programme.pool_year_fen, pool_used[pool], None, 0, None, grant, most.index(min(most)),
        ))  # fmt: skip
        firm_used[own] += grant
        pool_used[pool] += grant
        if not grant:
            events.append((voucher, 1, _STATES["rejected"], today, 0))
            continue
        kind, states = _LIVES[programme.model]
        events += ((voucher, at, state, today, grant) for at, state in enumerate(states, 1))
        for place, share in _shares(programme, grant):
            account = _POOL + turn * 1_000 + place
            shares.append((voucher, account, share))
            postings.append((today, kind, account, _CASH + buyer, share, None, number))
    _insert(connection, "vouchers", vouchers, batch=2)
    _insert(connection, "voucher_shares", shares, batch=2)
    _insert(connection, "voucher_events", events, batch=2)
    connection.executemany(_POST_ONE, postings)


def _shares(programme: Programme, grant: int) -> list[tuple[int, int]]:
    """What each funder pays, by its place."""
    whole = sum(programme.funders.values())
    weights = [weight for _, weight in sorted(programme.funders.items())]
    shares = [grant * weight // whole for weight in weights]
    rest = sorted(range(len(weights)), key=lambda k: -(grant * weights[k] % whole))
    for k in rest[: grant - sum(shares)]:
        shares[k] += 1
    return [(place, share) for place, share in enumerate(shares) if share > 0]


def differences(books: Books, connection: sqlite3.Connection) -> list[str]:
    """Tables whose rows differ in number, and kinds of postings that differ in number or sum."""
    found = []
    for table in FILLED:
        ((count,),) = connection.execute(f"SELECT count(*) FROM {table}")
        if count != books.scalar(f"SELECT count(*) FROM {table}"):
            found.append(table)
    own = books.rows("SELECT kind::VARCHAR, count(*), sum(amount_fen) FROM postings GROUP BY kind")
    names = {code: kind for kind, code in _KINDS.items()}
    other = connection.execute("SELECT kind, count(*), sum(amount_fen) FROM postings GROUP BY kind")
    unlike = {(kind, count, int(fen)) for kind, count, fen in own} ^ {
        (names[code], count, fen) for code, count, fen in other
    }
    return found + sorted({f"postings: {kind}" for kind, _, _ in unlike})
