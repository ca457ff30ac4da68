"""Exports: the netted books as plain-text accounting, CSV or Parquet, and a snapshot for readers.

An export sums each batch by kind, accounts and instrument, so that a million trades become a few
thousand transactions; other programs then prove that they balance. Amounts are CNY with two
decimals, computed from integer fen.
"""

import csv
import hashlib
import io
import json
import re
from pathlib import Path
from typing import Any, Literal

from ledger.books.database import Books, add_triggers
from ledger.books.errors import LedgerError
from ledger.books.queries import statements
from ledger.books.schema import TABLES

Style = Literal["beancount", "hledger", "csv"]

_KINDS = {
    "bank": "Equity:Bank", "cash": "Liabilities:Cash", "clearing": "Assets:Clearing",
    "escrow": "Liabilities:Escrow", "fees": "Income:Fees", "penalties": "Income:Penalties",
    "pool": "Equity:Pool", "receivable": "Assets:Receivable", "guarantee": "Liabilities:Guarantee",
}  # fmt: skip
"""Kinds of the books' accounts as accounts of plain-text accounting."""


def export_text(books: Books, style: Style, *, day: str | None = None) -> str:
    """The netted postings of a day, or of all days, in one of the styles.

    Every account ends with an assertion of its balance, so that a reader notices a difference of
    one fen. Raises LedgerError where the books have nothing to export.
    """
    rows = books.rows(statements("export")["netted"], {"day": day})
    if not rows:
        raise LedgerError(f"{books.path}: nothing is posted{f' on {day}' if day else ''}")
    if style == "csv":
        return _as_csv(rows)
    closing = books.rows(statements("export")["closing"], {"day": max(str(row[0]) for row in rows)})
    opening = books.rows(statements("export")["opening"], {"day": day}) if day else []
    return _journal(rows, opening, closing, style, _accounts(books))


def _as_csv(rows: list[tuple[Any, ...]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("day", "batch", "kind", "from_account", "to_account", "instrument",
                     "amount_fen"))  # fmt: skip
    writer.writerows(rows)
    return out.getvalue()


def _journal(
    rows: list[tuple[Any, ...]], opening: list[tuple[Any, ...]],
    closing: list[tuple[Any, ...]], style: Style, accounts: dict[str, str],
) -> str:  # fmt: skip
    first, last = str(rows[0][0]), str(rows[-1][0])
    names = {name for row in rows for name in (row[3], row[4])}
    names |= {name for name, _ in (*opening, *closing)}
    text = [_head(sorted(accounts[name] for name in names), first, style)]
    for day, amounts in ((first, opening),) if opening else ():
        balanced = sum(fen for _, fen in amounts)
        assert balanced == 0, "balances sum to zero"
        legs = "".join(f"  {accounts[name]}  {_amount(fen)}\n" for name, fen in amounts)
        text.append(f"{day} {_title('opening balances', style)}\n{legs}")
    for day, batch, kind, payer, payee, instrument, fen in rows:
        title = f"{kind} {instrument}".rstrip() + f" (batch {batch})"
        text.append(
            f"{day} {_title(title, style)}\n  {accounts[payee]}  {_amount(fen)}\n"
            f"  {accounts[payer]}  {_amount(-fen)}\n"
        )
    named = [(accounts[name], fen) for name, fen in closing]
    text.append(_assertions(named, last, style))
    return "\n".join(text)


def _title(text: str, style: Style) -> str:
    text = re.sub(r'[\s";]+', " ", text)
    return f'* "{text}"' if style == "beancount" else f"* {text}"


def _head(accounts: list[str], first: str, style: Style) -> str:
    if style == "beancount":
        opens = "\n".join(f"{first} open {account} CNY" for account in accounts)
        return f'option "title" "Suanshi"\noption "operating_currency" "CNY"\n{opens}\n'
    declared = "\n".join(f"account {account}" for account in accounts)
    return f"commodity CNY\n  format 1000.00 CNY\n\n{declared}\n"


def _assertions(closing: list[tuple[Any, ...]], last: str, style: Style) -> str:
    if style == "beancount":
        from datetime import date, timedelta

        after = (date.fromisoformat(last) + timedelta(days=1)).isoformat()
        return "".join(
            f"{after} balance {account}  {_amount(fen)[:-4]} ~ 0 CNY\n" for account, fen in closing
        )
    legs = "".join(f"  {account}  0.00 CNY = {_amount(fen)}\n" for account, fen in closing)
    return f"{last} * closing balances\n{legs}"


def _accounts(books: Books) -> dict[str, str]:
    """Name of each account in other programs; all are distinct.

    Other programs allow fewer characters than the books. Where a name would equal an earlier one,
    its number in the books is appended; that name never changes.
    """
    found: dict[str, str] = {}
    for number, name in books.rows("SELECT id, name FROM names ORDER BY id"):
        if name.split(":")[0] in _KINDS:
            account = _account(name)
            while account in found:
                account += f"-{number}"
            found[account] = name
    return {name: account for account, name in found.items()}


def _account(name: str) -> str:
    """An account's name in the form that all of the programs accept.

    >>> _account("escrow:H800.QD.2026112214"), _account("pool:p:city")
    ('Liabilities:Escrow:H800-QD-2026112214', 'Equity:Pool:P-p:City-city')
    """
    kind, _, rest = name.partition(":")
    parts = [rest] if rest else []
    if kind == "pool":
        programme, _, funder = rest.partition(":")
        parts = [f"P-{programme}", f"City-{funder}"]
    elif rest and not re.match(r"[A-Z0-9]", rest):
        parts = [f"A-{rest}"]
    clean = [re.sub(r"[^A-Za-z0-9-]", "-", part) for part in parts]
    return ":".join([_KINDS[kind], *clean])


def _amount(fen: int) -> str:
    sign = "-" if fen < 0 else ""
    return f"{sign}{abs(fen) // 100}.{abs(fen) % 100:02} CNY"


def export_parquet(books: Books, folder: str | Path, day: str) -> dict[str, Any]:
    """Write a settled day as Parquet, one folder a table and day; returns a manifest with hashes.

    Raises LedgerError where the day has no batch or where the folder is not empty.
    """
    target = Path(folder)
    batches = books.rows(
        "SELECT id, sha256 FROM batches WHERE day = $day::DATE ORDER BY id", {"day": day}
    )
    if not batches:
        raise LedgerError(f"{books.path}: {day} is not settled")
    if target.exists() and any(target.iterdir()):
        raise LedgerError(f"{target}: is not empty")
    files = {}
    for table in TABLES:
        if table in ("ledger_schema", "batches", "names"):
            continue
        path = target / table / f"day={day}" / "part-0.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        ids = ", ".join(str(batch) for batch, _ in batches)
        _copy(books, f"SELECT * FROM {table} WHERE batch IN ({ids})", path)
        files[path.relative_to(target).as_posix()] = _file(books, path)
    for table in ("batches", "names"):
        path = target / f"{table}.parquet"
        _copy(books, f"FROM {table}", path)
        files[path.name] = _file(books, path)
    manifest = {"day": day, "batches": {str(k): sha for k, sha in batches}, "files": files}
    (target / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    return manifest


def _copy(books: Books, sql: str, path: Path) -> None:
    quoted = str(path).replace("'", "''")
    books.execute(f"COPY ({sql}) TO '{quoted}' (FORMAT parquet)")


def _file(books: Books, path: Path) -> dict[str, Any]:
    quoted = str(path).replace("'", "''")
    return {
        "rows": books.scalar(f"SELECT count(*) FROM read_parquet('{quoted}')"),
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }


def snapshot(books: Books, path: str | Path) -> None:
    """Write a compressed copy of the books for readers, and put it in place as a whole.

    The copy is a fifth of the size, because books that are written are not compressed. Writing can
    go on during the copy.
    """
    target = Path(path)
    growing = target.with_name(target.name + ".new")
    growing.unlink(missing_ok=True)
    quoted = str(growing).replace("'", "''")
    home = str(books.scalar("SELECT current_database()")).replace('"', '""')
    books.execute(f"ATTACH '{quoted}' AS snapshot")
    writing = books.scalar("SELECT current_setting('force_compression')")
    books.execute("SET force_compression = 'auto'")
    try:
        books.execute(f'COPY FROM DATABASE "{home}" TO snapshot')
    finally:
        books.execute("DETACH snapshot")
        books.execute(f"SET force_compression = '{writing}'")
    add_triggers(growing)
    growing.replace(target)
