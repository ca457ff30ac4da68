"""The same settlement in SQLite, with the same rows, as a comparison for the ledger.

Commits are durable (WAL, synchronous=FULL). There is one transaction and no index; rows are written
by executemany; accounts and kinds are integers. A day is netted by upserts into a table of
positions, which takes a fifth of the time of a GROUP BY over both sides of the trades. Nominations,
agreements and grants are sequential Python over sorted rows, the plain way to write them. The
tables that grow with a day are the ledger's, with all of their columns. Hashes and the certificate
are left out, so SQLite has less to do than the ledger.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

from bench.ledger.sqlite_statements import (
    BALANCES,
    BANK,
    CASH,
    CLOSE_POSITIONS,
    DAY_TABLES,
    ESCROW,
    FEES,
    GUARANTEE,
    INSERT_POSTING,
    NET,
    PAYMENTS,
    POOL,
    POST_POSITIONS,
    POSTING_KINDS,
    VOUCHER_STATES,
)
from ledger.books.database import Books
from ledger.books.directory import EPOCH, day_number, shanghai_day
from ledger.books.schema import columns_of
from ledger.daylog.registry import Programme, Registry
from ledger.settlement.fills import Fills

Row = tuple[Any, ...]


def create_sqlite(path: Path) -> sqlite3.Connection:
    """Create a SQLite file with the tables."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA cache_size = -1000000")
    connection.execute("PRAGMA temp_store = MEMORY")
    _create_tables(connection)
    return connection


def settle_sqlite(connection: sqlite3.Connection, registry: Registry, fills: Fills) -> None:
    """Settle a day in one transaction."""
    day = {"day": day_number(registry.trading_day)}
    connection.execute("BEGIN")
    _load(connection, registry, fills)
    for step in (*NET, POST_POSITIONS):
        connection.execute(step, day)
    connection.execute(BALANCES, {"batch": 1})
    lines = _nominate(connection, registry)
    agreements = _bundle(connection, registry, lines)
    connection.execute(CLOSE_POSITIONS)
    connection.executemany(
        INSERT_POSTING, ((day["day"], *each) for each in _deliver(connection, lines, agreements))
    )
    _grant(connection, registry, agreements)
    connection.execute(BALANCES, {"batch": 2})
    connection.execute("COMMIT")


def _create_tables(connection: sqlite3.Connection) -> None:
    connection.execute(
        "CREATE TABLE instruments (id INTEGER PRIMARY KEY, tick_fen INTEGER, deposit_fen INTEGER)"
    )
    connection.execute(
        "CREATE TEMP TABLE net (cell INTEGER PRIMARY KEY, bought INTEGER, sold INTEGER, "
        "bought_ticks INTEGER, sold_ticks INTEGER, buy_fee INTEGER, sell_fee INTEGER, "
        "first_sequence INTEGER)"
    )
    for table in DAY_TABLES:
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
        f"VALUES (1, {day_number(registry.trading_day)}, {POSTING_KINDS['deposit']}, {BANK}, "
        f"{CASH} + ?, ?, ?)",
        zip(
            transfers["account"].tolist(), transfers["amount_fen"].tolist(),
            transfers["sequence"].tolist(), strict=True,
        ),
    )  # fmt: skip


def _insert(connection: sqlite3.Connection, table: str, rows: Iterable[Row], *, batch: int) -> None:
    """Insert rows; they lack the first column, which is the batch."""
    marks = ", ".join("?" for _ in columns_of(table)[1:])
    connection.executemany(f"INSERT INTO {table} VALUES ({batch}, {marks})", rows)


def _nominate(connection: sqlite3.Connection, registry: Registry) -> list[Row]:
    """Return delivery lines by the rule of `ledger.delivery.nomination`.

    Hour by hour, a buyer keeps the supplier of the hour before where both still have a position;
    then the remaining buyers and suppliers are paired in the order of their accounts. A line is
    (buyer, supplier, contract, day, instrument, quantity, price_ticks, value, fee, held guarantee,
    first sequence).
    """
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
        pieces = _pair(open_rows, kept if before == (contract, start_s) else [])
        used: dict[int, int] = defaultdict(int)
        for (buyer, supplier), quantity in sorted(pieces.items()):
            _, _, bought, price, escrow, _, _, first = rows[buyer]
            _, _, sold, _, _, guaranteed, fee_due, _ = rows[supplier]
            value = escrow // bought * quantity
            since, sold = used[supplier], -sold
            used[supplier] = until = since + quantity
            fee, held = (
                whole * until // sold - whole * since // sold for whole in (fee_due, guaranteed)
            )
            lines.append((
                buyer, supplier, contract, day, number, quantity, price, value, fee, held, first
            ))  # fmt: skip
        kept = [(buyer, supplier, quantity) for (buyer, supplier), quantity in pieces.items()]
        before = (contract, order[number].delivery_end_s)
    return lines


def _pair(rows: list[Row], kept: list[tuple[int, int, int]]) -> dict[tuple[int, int], int]:
    """Return the quantity by (buyer, supplier) for the positions of one instrument.

    `kept` has the pairs of the hour before, with their quantities.
    """
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


def _bundle(
    connection: sqlite3.Connection, registry: Registry, lines: list[Row]
) -> dict[Row, list[int]]:
    """Insert agreements and nominations, and return the agreements in the order of their numbers.

    By (buyer, supplier, contract, day): number, sequence of the first buy, quantity, value, fee.
    """
    found: dict[Row, list[int]] = {}
    for line in lines:
        _, _, _, _, _, quantity, _, value, fee, _, first = line
        one = found.setdefault(line[:4], [0, first, 0, 0, 0])
        one[1] = min(one[1], first)
        one[2] += quantity
        one[3] += value
        one[4] += fee
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


def _deliver(
    connection: sqlite3.Connection, lines: list[Row], agreements: dict[Row, list[int]]
) -> list[Row]:
    """Insert deliveries of all lines in full; returns the postings that pay them from escrow.

    The kinds of the postings are delivery, fee, and release of the guarantee.
    """
    delivery, postings = [], []
    for line in lines:
        _, supplier, _, _, number, quantity, _, value, fee, held, _ = line
        agreement, cash = agreements[line[:4]][0], CASH + supplier
        delivery.append((agreement, number, quantity, quantity * 1_000_000, 0, 0, value, 0, fee, 0))
        about = (number, agreement)
        postings.append((POSTING_KINDS["delivery"], ESCROW + number, cash, value, *about))
        if fee:
            postings.append((POSTING_KINDS["fee"], cash, FEES, fee, *about))
        if held:
            postings.append((POSTING_KINDS["release"], GUARANTEE + supplier, cash, held, *about))
    _insert(connection, "deliveries", delivery, batch=2)
    return postings


def _grant(
    connection: sqlite3.Connection, registry: Registry, agreements: dict[Row, list[int]]
) -> None:
    """Insert the grants in the order of the agreements, each under three caps.

    Inserts vouchers, the shares of the funders, the states of each voucher, and the postings.
    """
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
        programme_index, programme = next(
            ((index, each) for index, each in enumerate(registry.programmes)
             if not each.buyer_cities or firm.city in each.buyer_cities), (0, None),
        )  # fmt: skip
        if programme is None or firm.id == firm_of[supplier]:
            continue
        year = (EPOCH + timedelta(days=day)).year
        firm_key, pool_key = (programme_index, firm.id, year), (programme_index, year)
        want = value * programme.rate_bp // 10_000
        most = [want, *(
            cap - used for cap, used in (
                (programme.per_agreement_cap_fen, 0),
                (programme.per_firm_year_cap_fen, firm_used[firm_key]),
                (programme.pool_year_fen, pool_used[pool_key]),
            ) if cap is not None
        )]  # fmt: skip
        grant = max(0, min(most))
        voucher = len(vouchers) + 1
        vouchers.append((
            voucher, number, None, None, None, programme_index, programme.version, 0,
            int(programme.model == "reimburse"), 0, firm.id, year, value, value, programme.rate_bp,
            want, programme.per_agreement_cap_fen, programme.per_firm_year_cap_fen,
            firm_used[firm_key], programme.pool_year_fen, pool_used[pool_key], None, 0, None,
            grant, most.index(min(most)),
        ))  # fmt: skip
        firm_used[firm_key] += grant
        pool_used[pool_key] += grant
        if not grant:
            events.append((voucher, 1, VOUCHER_STATES["rejected"], today, 0))
            continue
        kind, states = PAYMENTS[programme.model]
        events += ((voucher, at, state, today, grant) for at, state in enumerate(states, 1))
        for funder_index, share in _shares(programme, grant):
            account = POOL + programme_index * 1_000 + funder_index
            shares.append((voucher, account, share))
            postings.append((today, kind, account, CASH + buyer, share, None, number))
    _insert(connection, "vouchers", vouchers, batch=2)
    _insert(connection, "voucher_shares", shares, batch=2)
    _insert(connection, "voucher_events", events, batch=2)
    connection.executemany(INSERT_POSTING, postings)


def _shares(programme: Programme, grant: int) -> list[tuple[int, int]]:
    """Return index (among the sorted names) and amount of each funder that pays.

    The funders with the largest remainders get what rounding down leaves.
    """
    whole = sum(programme.funders.values())
    weights = [weight for _, weight in sorted(programme.funders.items())]
    shares = [grant * weight // whole for weight in weights]
    rest = sorted(range(len(weights)), key=lambda k: -(grant * weights[k] % whole))
    for k in rest[: grant - sum(shares)]:
        shares[k] += 1
    return [(funder_index, share) for funder_index, share in enumerate(shares) if share > 0]


def differences(books: Books, connection: sqlite3.Connection) -> list[str]:
    """Return the tables and the kinds of postings that differ from the ledger's.

    Tables are compared by the number of rows, postings of a kind by number and sum.
    """
    found = []
    for table in DAY_TABLES:
        ((count,),) = connection.execute(f"SELECT count(*) FROM {table}")
        if count != books.scalar(f"SELECT count(*) FROM {table}"):
            found.append(table)
    own = books.rows("SELECT kind::VARCHAR, count(*), sum(amount_fen) FROM postings GROUP BY kind")
    names = {code: kind for kind, code in POSTING_KINDS.items()}
    other = connection.execute("SELECT kind, count(*), sum(amount_fen) FROM postings GROUP BY kind")
    differing = {(kind, count, int(fen)) for kind, count, fen in own} ^ {
        (names[code], count, fen) for code, count, fen in other
    }
    return found + sorted({f"postings: {kind}" for kind, _, _ in differing})
