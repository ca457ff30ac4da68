"""Days in a row: each opens with the cash, positions and orders that the previous one left."""

import hashlib
import json

import numpy as np
import pytest

from exchange.cli import run
from exchange.days.carry_forward import carry_forward
from ledger.books.database import memory_books, open_books
from ledger.books.errors import InputError, LedgerError
from ledger.day_settlement import settle
from ledger.daylog import DayLogWriter, read_day_log
from ledger.proof.audit import audit
from ledger.statements.account import closing_cash_fen
from matching.records import COMMAND, CommandKind, EventKind, OrderType, Side, TimeInForce
from matching.reference.engine import ReferenceEngine
from tests.ledger.test_day import DAY_START_S, LIMITS, day_commands, write_log
from tests.support.ledger_world import INPUT, balances, events, world

DAY_NS = 86_400 * 10**9


def commands_of(*rows, start, time_ns):
    """Return commands numbered from `start` + 1."""
    commands = np.zeros(len(rows), COMMAND)
    for k, row in enumerate(rows):
        for name, value in row.items():
            commands[k][name] = value
    commands["sequence"] = np.arange(start + 1, start + 1 + len(rows))
    commands["time_ns"] = time_ns
    return commands


def order(ref, account, side, price, quantity, tif=TimeInForce.DAY, instrument=3):
    return {
        "kind": CommandKind.NEW, "session": 1, "user_ref": ref, "account": account,
        "instrument": instrument, "side": side, "type": OrderType.LIMIT, "tif": tif,
        "price": price, "quantity": quantity,
    }  # fmt: skip


def write_next(path, carried, rows):
    """Write a sealed log of a carried day and more commands; return its path and its engine."""
    time_ns = int(carried.commands["time_ns"][-1])
    more = commands_of(*rows, start=len(carried.commands), time_ns=time_ns + 1)
    engine = ReferenceEngine(LIMITS)
    digest = hashlib.sha256()
    with DayLogWriter.create(path, venue="TEST", trading_day=carried.registry.trading_day) as log:
        log.append_registry(carried.registry)
        for part in (carried.commands, more):
            if len(part):
                log.append(part)
                digest.update(engine.process(part).tobytes())
        log.seal(digest.digest())
    return path, engine


def settle_log(books, path, bust=None):
    """Settle a log with positions carried, and with the events of a bust where one is given."""
    log = read_day_log(path)
    found = ReferenceEngine(log.limits).process(log.commands()).copy()
    if bust is not None:
        found = np.concatenate([found.view("V64"), bust.view("V64")]).view(found.dtype)
    settle(books, log.registry, found, log.sha256, deliver=False)
    return log


def test_three_days_with_a_deposit_a_withdrawal_a_bust_and_a_gtc_order(tmp_path):
    books = memory_books()
    first = day_commands(seed=1, count=60)
    gtc = commands_of(
        order(900, 1, Side.BUY, 905, 2, TimeInForce.GTC), start=len(first),
        time_ns=int(first["time_ns"][-1]) + 1,
    )  # fmt: skip
    path = write_log(
        tmp_path / "1.log",
        np.concatenate([first.view("V64"), gtc.view("V64")]).view(COMMAND),
        later_days=3,
    )
    engine = ReferenceEngine(LIMITS)
    engine.process(read_day_log(path).commands())
    log = settle_log(books, path)
    for number in (2, 3):
        closed = closing_cash_fen(books)
        carried = carry_forward(log, engine.state_tables(), books, log_day(log, 1))
        assert carried.orders >= 1
        rows = [
            {"kind": CommandKind.FUND, "account": 2, "amount_fen": 50_001},
            {"kind": CommandKind.WITHDRAW, "account": 3, "amount_fen": 777},
        ] if number == 2 else [order(1001, 4, Side.SELL, 905, 1)]  # fmt: skip
        path, engine = write_next(tmp_path / f"{number}.log", carried, rows)
        opened = {
            account: int(fen)
            for account, fen in zip(
                *(carried.commands[carried.commands["kind"] == CommandKind.FUND][name]
                  for name in ("account", "amount_fen")), strict=True,
            )
        }  # fmt: skip
        names = {each.id: each.name for each in carried.registry.accounts}
        assert {names[int(number)]: fen for number, fen in opened.items()} == closed
        trades = books.rows(
            "SELECT trade_id, price_ticks, quantity, buyer, seller, buyer_fee_fen, seller_fee_fen "
            "FROM trades WHERE batch = 1 AND instrument = 3 ORDER BY trade_id LIMIT 1"
        )
        bust = busted(*trades[0]) if number == 2 else None
        log = settle_log(books, path, bust)
        assert audit(books) == []
        if number == 2:
            moved = sum(closing_cash_fen(books).values()) - sum(closed.values())
            assert (moved != 0, balances(books, "clearing")) == (True, {})
    filled = [each for each in ReferenceEngine(LIMITS).process(log.commands())
              if each["kind"] == EventKind.FILLED]  # fmt: skip
    assert [int(each["user_ref"]) for each in filled][:1] == [900], "the GTC order trades"


def test_lots_bought_yesterday_are_resold_without_a_deposit(tmp_path):
    books = memory_books()
    first = day_commands(seed=1, count=0, deposit_fen=7000)
    traded = commands_of(
        order(901, 3, Side.SELL, 1000, 3), order(902, 1, Side.BUY, 1000, 3),
        {"kind": CommandKind.WITHDRAW, "account": 1, "amount_fen": 19_957_631},
        start=len(first), time_ns=int(first["time_ns"][-1]) + 1,
    )  # fmt: skip
    path = write_log(
        tmp_path / "1.log", np.concatenate([first.view("V64"), traded.view("V64")]).view(COMMAND),
        later_days=3, deposit_fen=7000,
    )  # fmt: skip
    engine = ReferenceEngine(LIMITS)
    engine.process(read_day_log(path).commands())
    log = settle_log(books, path)
    assert closing_cash_fen(books)["alice"] < 7000, "she could not pay a deposit"
    assert balances(books, "guarantee") == {"guarantee:carol": 21_000}
    carried = carry_forward(log, engine.state_tables(), books, log_day(log, 1))
    resale = [order(1001, 1, Side.SELL, 1000, 3), order(1002, 2, Side.BUY, 1000, 3)]
    path, engine = write_next(tmp_path / "2.log", carried, resale)
    log = settle_log(books, path)
    assert audit(books) == []
    assert books.rows("SELECT quantity, buyer, seller FROM trades ORDER BY batch DESC LIMIT 1") == [
        (3, 2, 1)
    ]
    closed = closing_cash_fen(books)
    carried = carry_forward(log, engine.state_tables(), books, log_day(log, 1))
    back = [order(1101, 3, Side.BUY, 1000, 3), order(1102, 2, Side.SELL, 1000, 3)]
    path, _ = write_next(tmp_path / "3.log", carried, back)
    settle_log(books, path)  # the supplier buys back: its deposit is free again
    assert balances(books, "guarantee") == {}
    assert closing_cash_fen(books)["carol"] > closed["carol"]
    assert audit(books) == []


def log_day(log, more):
    from datetime import date, timedelta

    return date.fromisoformat(log.trading_day) + timedelta(days=more)


def busted(trade, price, quantity, buyer, seller, buyer_fee, seller_fee):
    """Return the two events of a bust, as the engine makes them."""
    registry = world()
    names = {each.id: each.name for each in registry.accounts}
    text = (
        f"bust {trade}: {names[buyer]} buys {quantity} C at {price} from {names[seller]} "
        f"fees {buyer_fee} {seller_fee}"
    )
    return events(registry, text)


def test_a_log_that_opens_with_other_money_than_the_books_closed_with_is_refused(tmp_path):
    books = memory_books()
    path = write_log(tmp_path / "1.log", day_commands(seed=1, count=20))
    engine = ReferenceEngine(LIMITS)
    engine.process(read_day_log(path).commands())
    log = settle_log(books, path)
    carried = carry_forward(log, engine.state_tables(), books, log_day(log, 1))
    row = np.flatnonzero(carried.commands["kind"] == CommandKind.FUND)[0]
    carried.commands["amount_fen"][row] += 1
    path, _ = write_next(tmp_path / "2.log", carried, [])
    with pytest.raises(InputError, match=r"opens with \d+ fen, but the books closed with \d+"):
        settle_log(books, path)


def test_a_day_that_is_not_settled_or_not_later_opens_nothing(tmp_path):
    path = write_log(tmp_path / "1.log", day_commands(seed=1, count=5))
    log = read_day_log(path)
    tables = ReferenceEngine(LIMITS).state_tables()
    with pytest.raises(LedgerError, match="is not settled from"):
        carry_forward(log, tables, memory_books(), log_day(log, 1))
    with pytest.raises(LedgerError, match="does not come after its day"):
        carry_forward(log, tables, memory_books(), log_day(log, 0))


def test_a_resale_through_three_owners_is_flat_every_day():
    books = memory_books()
    texts = (
        "fund bob 1000.00\nfund carol 1000.00\nfund dave 1000.00\nbob buys 5 A at 1000 from alice",
        "carol buys 5 A at 1100 from bob",
        "dave buys 5 A at 900 from carol",
    )
    for number, text in enumerate(texts):
        registry = world(day=f"2026-11-{18 + number}")
        settle(books, registry, events(registry, text), INPUT, deliver=False)
        assert balances(books, "clearing") == {}
        assert audit(books) == []
    assert balances(books, "cash") == {
        "cash:bob": 100_500, "cash:carol": 99_000, "cash:dave": 95_500, "cash:alice": 500,
    }  # fmt: skip
    assert balances(books, "escrow") == {"escrow:A": 4500}


def test_the_command_line_opens_a_day_closes_it_and_shows_its_status(tmp_path, capsys):
    path = write_log(tmp_path / "1.log", day_commands(seed=1, count=40))
    assert run(["day", "close", str(path), "--json"]) == 0
    assert run(["day", "status", str(path), "--json"]) == 0
    capsys.readouterr()
    target = tmp_path / "2.log"
    assert run(["day", "open", str(path), str(target), "--dry-run", "--json"]) == 0
    assert not target.exists()
    document = json.loads(capsys.readouterr().out)
    assert document["day"] == "2026-11-22"
    assert run(["day", "open", str(path), str(target)]) == 0
    log = read_day_log(target, unsealed=True)
    assert log.command_count == document["commands"] == log.registry.opening_commands
    with open_books(tmp_path / "ledger.duckdb", read_only=True) as books:
        assert sum(closing_cash_fen(books).values()) == document["cash_fen"]
    assert int(log.commands()["time_ns"][0]) == DAY_START_S * 10**9
    capsys.readouterr()
    assert run(["day", "open", str(path), str(target)]) == 4
    assert "exists already" in capsys.readouterr().err


def test_day_close_seals_a_log_whose_venue_was_stopped(tmp_path):
    commands = day_commands(seed=1, count=40)
    sealed = write_log(tmp_path / "sealed.log", commands)
    path = write_log(tmp_path / "1.log", commands, sealed=False)
    whole = path.read_bytes()
    with path.open("ab") as log:
        log.write(b"SUANBLK\n, and a write was interrupted")
    assert run(["day", "close", str(path), "--dry-run"]) == 3
    assert run(["day", "close", str(path)]) == 2  # nobody can be asked
    assert run(["day", "close", str(path), "--yes"]) == 0
    assert path.read_bytes() == sealed.read_bytes()
    (torn,) = tmp_path.glob("1.torn-*")
    assert torn.read_bytes().startswith(b"SUANBLK\n, and")
    assert torn.name == f"1.torn-{len(whole)}"
    assert run(["day", "close", str(path)]) == 0


def test_a_day_whose_opening_was_interrupted_is_not_closed(tmp_path, capsys):
    path = write_log(tmp_path / "1.log", day_commands(seed=1, count=40))
    assert run(["day", "close", str(path)]) == 0
    target = tmp_path / "2.log"
    assert run(["day", "open", str(path), str(target)]) == 0
    log = read_day_log(target, unsealed=True)
    target.unlink()
    with DayLogWriter.create(target, venue=log.venue, trading_day=log.trading_day) as half:
        half.append_registry(log.registry)
        half.append(log.commands()[:-1])
    before = target.read_bytes()
    assert run(["day", "close", str(target), "--yes"]) == 4
    assert "stopped before the day was opened" in capsys.readouterr().err
    assert target.read_bytes() == before
