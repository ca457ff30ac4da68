"""Settlement: a trading day's events become certified postings, in one transaction.

Two batches come of it. `settlement`: deposits and withdrawals, the differences to the day's
settlement prices, escrow, deposits of suppliers, fees. `delivery`: nominations, service agreements,
what escrow pays the suppliers, vouchers. Settling the same day from the same input again changes
nothing.
"""

from collections.abc import Callable, Iterable
from datetime import date
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ledger.books.batches import Head, begin_digest, next_batch, next_revision, seal_batch
from ledger.books.database import Books
from ledger.books.directory import Directory, day_number, day_start_s, write_directory
from ledger.books.errors import DayOrderError, InputDiffersError, InputError
from ledger.books.journal import Journal
from ledger.books.names import BANK, CLEARING, FEES, Names
from ledger.books.queries import statements
from ledger.daylog.registry import Registry
from ledger.delivery.agreements import bundle, next_agreement, open_positions, to_deliver
from ledger.delivery.block_trades import Bought, read_bought, with_today
from ledger.delivery.delivery_lines import Before, Work, deliver_lines, lines_of, nominate_days
from ledger.settlement.busts import check_busts
from ledger.settlement.fills import Fills, read_fills
from ledger.settlement.netting import Columns, net
from ledger.statements.account import closing_cash_fen
from ledger.statements.summary import Settlement, summarise
from ledger.vouchers.claims import made_claims, redeem_and_pay, waiting_claims
from ledger.vouchers.decisions import Past, read_past
from ledger.vouchers.reservations import reserve, reserved
from ledger.vouchers.states import Lives

Progress = Callable[[str, int, int], None]
"""Told the stage that begins, how many are done and how many there are."""

_STAGES = ("trades", "netting", "delivery", "vouchers", "hashes", "summary")

Events = NDArray[np.void] | Iterable[NDArray[np.void]]


def settle(
    books: Books,
    registry: Registry,
    events: Events,
    input_sha256: str,
    *,
    deliver: bool = True,
    dry_run: bool = False,
    progress: Progress | None = None,
    lines: list[tuple[Any, ...]] | None = None,
) -> Settlement:
    """Settle the registry's trading day from the machine's events; the result in numbers.

    `input_sha256` names the input (the day log's hash). `deliver` takes all open positions in the
    registry's instruments as delivered in full; without it they are carried, with their escrow.
    `dry_run` rolls everything back and tells what would have been posted; `lines` gets the day's
    postings (number, batch, kind, from, to, instrument, fen). Raises LedgerError: the
    day was settled from another input, a later day is settled, events and registry do not fit.
    Where the day is settled already, `events` is not looked at.
    """
    day = trading_day(registry)
    check_venue(books, registry.venue)
    if _is_settled(books, day, input_sha256):
        result = summarise(books, day, already_settled=True)
        if lines is not None:
            lines += journal_lines(books, result.batches)
        return result
    tell = progress or (lambda stage, done, total: None)
    tell(_STAGES[0], 0, len(_STAGES))
    with books.transaction(keep=not dry_run):
        batch, revision = next_batch(books), next_revision(books, day)
        standing = _read_standing(books, batch) if deliver else None
        fills = read_fills(events, registry)
        work, positions = _net(books, registry, fills, batch, tell)
        batches = {"settlement": work}
        if standing is None:
            work.known.update(reserve(books, batch, work.directory))
        else:
            bought = with_today(standing.bought, fills, work.directory, batch)
            batches["delivery"] = _deliver(work, positions, standing._replace(bought=bought), tell)
        tell("hashes", 4, len(_STAGES))
        for kind, each in batches.items():
            head = Head(kind, day, registry.venue, input_sha256, revision)
            seal_batch(books, each.batch, head, each.known)
        if dry_run:  # while there is something to tell of
            result = _told(books, day, dry_run, lines)
    tell("summary", len(_STAGES) - 1, len(_STAGES))  # the postings are durable
    if not dry_run:
        result = _told(books, day, dry_run, lines)
    tell("done", len(_STAGES), len(_STAGES))
    return result


def _told(books: Books, day: str, dry_run: bool, lines: list[tuple[Any, ...]] | None) -> Settlement:
    """The day in numbers; `lines` gets its postings."""
    result = summarise(books, day, dry_run=dry_run)
    if lines is not None:
        lines += journal_lines(books, result.batches)
    return result


def journal_lines(books: Books, batches: tuple[int, ...]) -> list[tuple[Any, ...]]:
    """The postings of batches: number, batch, kind, from, to, instrument or "", fen."""
    return books.rows(
        "SELECT id, batch, kind::VARCHAR, from_account, to_account, coalesce(instrument, ''), "
        "amount_fen FROM journal WHERE list_contains($batches, batch) ORDER BY id",
        {"batches": list(batches)},
    )


def trading_day(registry: Registry) -> str:
    """The registry's day; raises InputError where it is none."""
    try:
        return date.fromisoformat(registry.trading_day).isoformat()
    except ValueError as error:
        raise InputError(
            f"registry: trading day `{registry.trading_day}` is not a date YYYY-MM-DD"
        ) from error


def check_venue(books: Books, venue: str) -> None:
    """Raise InputError where the books are those of another venue."""
    for (other,) in books.rows("SELECT DISTINCT venue FROM batches"):
        if other != venue:
            raise InputError(f"{books.path}: these are the books of {other}, not of {venue}")


def _is_settled(books: Books, day: str, input_sha256: str) -> bool:
    """Whether the day is settled from this input. Raises where it may not be settled at all."""
    rows = books.rows(
        "SELECT day::VARCHAR, input_sha256 FROM standing WHERE kind = 'settlement' ORDER BY day"
    )
    for settled_day, settled_input in rows:
        if settled_day == day and settled_input != input_sha256:
            raise InputDiffersError(
                f"{books.path}: {day} is settled from another input: the books have "
                f"{settled_input[:16]}..., this one is {input_sha256[:16]}..."
            )
    if any(settled_day == day for settled_day, _ in rows):
        return True
    if rows and rows[-1][0] > day:
        raise DayOrderError(f"{books.path}: {day} comes too late, {rows[-1][0]} is settled already")
    return False


class _Standing(NamedTuple):
    """What a delivery has to know of the books before its day."""

    agreement: int  # the number that its first agreement gets
    past: Past
    reserved: Columns
    claims: Columns
    bought: Bought


def _read_standing(books: Books, batch: int) -> _Standing:
    return _Standing(
        next_agreement(books), read_past(books, batch), reserved(books), waiting_claims(books),
        read_bought(books),
    )  # fmt: skip


def _net(
    books: Books, registry: Registry, fills: Fills, batch: int, tell: Progress
) -> tuple[Work, Columns]:
    """Write the settlement batch, up to its seal; and the positions that are open after it.

    What has to be read is read first: the database loads while the rest is computed.
    """
    names = Names(books)
    for name in (BANK, CLEARING, FEES):
        names[name]  # they have the first numbers
    directory = write_directory(books, batch, registry, names)
    carried, journal = open_positions(books), Journal(books, names)
    prices = books.arrays(statements("netting")["prices"])
    opening = fills.transfers["sequence"] <= registry.opening_commands
    if registry.opening_commands:
        _check_opening(books, directory, fills.transfers, opening)
    books.spare_memory()
    day = registry.trading_day
    work = Work(books, directory, journal, Lives(books, batch, day), batch, day)
    work.known["trades"] = begin_digest("trades", fills.trades)
    for table, columns in (("trades", fills.trades), ("busts", fills.busts)):
        listed = ", ".join(columns)
        if len(columns["trade_id"]):
            books.load(
                f"INSERT INTO {table} (batch, {listed}) SELECT {batch}, {listed} FROM columns",
                columns,
            )
    tell("netting", 1, len(_STAGES))
    if len(fills.blocks["row"]):
        books.run_with(fills.blocks, "blocks", "trades", batch=batch)
    check_busts(books, batch, fills, directory)
    netting = net(fills.trades, fills.busts, carried, prices, directory)
    work.known["positions"] = begin_digest("positions", netting.positions)
    books.run_with(netting.instrument_days, "netting", "instrument_days", batch=batch)
    books.run_with(netting.positions, "netting", "positions", batch=batch)
    _draft_transfers(journal, directory, fills.transfers, ~opening)
    _draft_positions(journal, directory, netting.positions)
    journal.level()
    names.write(books, batch)
    work.known["postings"] = journal.post(books, batch, day)
    return work, _open(carried, netting.positions)


def _open(carried: Columns, positions: Columns) -> Columns:
    """What is open after a day: what it left, and what was carried in instruments it let alone."""
    kept = ~np.isin(carried["instrument"], positions["instrument"])
    left = positions["quantity"] != 0
    return {
        name: np.concatenate([column[kept], positions[name][left]])
        for name, column in carried.items()
    }


def _check_opening(
    books: Books, directory: Directory, transfers: Columns, opening: NDArray[np.bool_]
) -> None:
    """Raise InputError where the log does not open with the money that the books closed with.

    That is cash, and the deposits of positions in instruments that still trade.
    """
    funded: dict[str, int] = {}
    account = directory.account[transfers["account"][opening]]
    for number, fen in zip(account.tolist(), transfers["amount_fen"][opening], strict=True):
        name = directory.names.bare(number)
        funded[name] = funded.get(name, 0) + int(fen)
    closed = closing_cash_fen(books)
    start_s = day_start_s(day_number(directory.registry.trading_day))
    trading = {each.symbol for each in directory.registry.instruments if each.gate_s > start_s}
    for name, symbol, fen in books.rows(
        "SELECT substr(a.name, 6), substr(i.name, 8), guaranteed_fen FROM open_positions AS p "
        "JOIN names AS a ON a.id = p.account JOIN names AS i ON i.id = p.instrument"
    ):
        if symbol in trading:
            closed[name] = closed.get(name, 0) + fen
    for name in sorted(funded.keys() | closed.keys()):
        if funded.get(name, 0) != closed.get(name, 0):
            raise InputError(
                f"day {directory.registry.trading_day}: {name} opens with {funded.get(name, 0)} "
                f"fen, but the books closed with {closed.get(name, 0)}"
            )


def _draft_transfers(
    journal: Journal, directory: Directory, transfers: Columns, chosen: NDArray[np.bool_]
) -> None:
    """Deposits and withdrawals, one by one."""
    account = directory.account[transfers["account"]]
    bank = np.array(directory.names[BANK])
    for kind, own in (("deposit", transfers["deposit"]), ("withdrawal", ~transfers["deposit"])):
        rows = chosen & own
        payer, payee = (bank, account[rows]) if kind == "deposit" else (account[rows], bank)
        journal.add(
            kind, payer, payee, transfers["amount_fen"][rows],
            sequence=transfers["sequence"][rows],
        )  # fmt: skip


def _draft_positions(journal: Journal, directory: Directory, positions: Columns) -> None:
    """What each account pays or gets for what happened to its positions."""
    names = directory.names
    account, instrument = positions["account"], positions["instrument"]
    about = {"instrument": instrument}
    difference = positions["difference_fen"]
    clearing = names[CLEARING]
    journal.add_either_way("difference", "difference", account, clearing, difference, **about)
    journal.add_either_way(
        "escrow", "escrow", account, instrument, positions["escrow_fen"], **about
    )
    held = positions["guaranteed_fen"] - positions["guaranteed0_fen"]
    chosen = np.flatnonzero(held)
    journal.add_either_way(
        "guarantee", "release", account[chosen], names.sibling("guarantee", account[chosen]),
        held[chosen], instrument=instrument[chosen],
    )  # fmt: skip
    journal.add_either_way("fee", "fee-refund", account, names[FEES], positions["fee_fen"], **about)


def _deliver(settled: Work, positions: Columns, standing: _Standing, tell: Progress) -> Work:
    """Write the delivery batch, up to its seal: everything is taken as delivered in full."""
    tell("delivery", 2, len(_STAGES))
    books, directory, journal = settled.books, settled.directory, settled.journal
    found = bundle(
        to_deliver(positions, directory, None), directory, standing.agreement, standing.bought
    )
    tell("vouchers", 3, len(_STAGES))
    journal.turn_over()
    batch, day = settled.batch + 1, settled.day
    work = Work(books, directory, journal, Lives(books, batch, day), batch, day)
    long = {name: positions[name][positions["quantity"] > 0] for name in ("account", "instrument")}
    vouchers = nominate_days(work, found, Before(standing.past, standing.reserved, long))
    _, made = deliver_lines(work, lines_of(found, directory), vouchers)
    made_now = made_claims(work, made, found.agreements)
    redeem_and_pay(work, {
        name: np.concatenate([column, made_now[name]]) for name, column in standing.claims.items()
    })  # fmt: skip
    journal.level()
    directory.names.write(books, batch)
    work.known.update(work.lives.known(), postings=journal.post(books, batch, day))
    return work
