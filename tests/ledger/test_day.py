"""A small day from a sealed log through the machine into the books, against independent sums."""

import hashlib
from collections import defaultdict

import msgspec
import numpy as np
import pytest

from ledger.books.database import create_books, open_books
from ledger.day_settlement import settle
from ledger.daylog import DayLogNotSealed, DayLogWriter, read_day_log
from ledger.proof.verify import verify
from ledger.statements.account import statement, trial_balance
from ledger.statements.summary import account_days
from matching.limits import Limits
from matching.records import (
    COMMAND,
    CommandFlag,
    CommandKind,
    OrderType,
    Phase,
    Side,
    TimeInForce,
)
from matching.reference.engine import ReferenceEngine
from tests.support.independent_totals import totals
from tests.support.ledger_world import DAY_START_S, INSTRUMENTS, programme, statements_agree, world

LIMITS = Limits(sessions=8, accounts=8, instruments=8, orders=1024, refs=4096, ref_pages=32)
PROGRAMMES = (
    programme("near", compute_hubs=("QD",), per_agreement_cap_fen=9000, funders={"a": 1, "b": 2}),
    programme("far", model="reimburse", compute_hubs=("CD",), pool_year_fen=20_000),
)


def day_commands(seed, count, *, deposit_fen=0):
    """Opening commands for four accounts and four instruments, and orders around one price."""
    rows = [
        {"kind": CommandKind.SESSION, "target_ref": 1, "account": 1},
        *(
            {"kind": CommandKind.LIST, "instrument": k, "price": 1000, "quantity": 10}
            for k in (1, 2, 3, 4)
        ),
        *({"kind": CommandKind.BAND, "instrument": k, "price": 900, "stop": 1100}
          for k in (1, 2, 3, 4)),
        *({"kind": CommandKind.FEES, "instrument": k, "price": 333, "stop": 777,
           "quantity": deposit_fen}
          for k in (1, 2, 3, 4)),
        *({"kind": CommandKind.PHASE, "instrument": k, "type": Phase.CONTINUOUS}
          for k in (1, 2, 3, 4)),
        *({"kind": CommandKind.ACCOUNT, "account": a, "target_ref": 1} for a in (1, 2, 3, 4)),
        *({"kind": CommandKind.FUND, "account": a, "amount_fen": 20_000_000} for a in (1, 2, 3)),
        {"kind": CommandKind.WITHDRAW, "account": 1, "amount_fen": 12_345},
        *({"kind": CommandKind.REGISTER, "account": a, "instrument": k, "quantity": 500}
          for a in (3, 4) for k in (1, 2, 3, 4)),
    ]  # fmt: skip
    dice = np.random.default_rng(seed)
    rows += [
        {
            "kind": CommandKind.NEW, "session": 1, "user_ref": ref, "account": dice.integers(1, 5),
            "instrument": dice.integers(1, 5), "side": dice.choice([Side.BUY, Side.SELL]),
            "type": OrderType.LIMIT, "tif": TimeInForce.DAY, "price": dice.integers(985, 1016),
            "quantity": dice.integers(1, 40),
        }
        for ref in range(1, count + 1)
    ]  # fmt: skip
    commands = np.zeros(len(rows), COMMAND)
    for k, row in enumerate(rows):
        for name, value in row.items():
            commands[k][name] = value
    commands["sequence"] = np.arange(1, len(rows) + 1)
    commands["time_ns"] = (DAY_START_S - 86_400) * 10**9 + commands["sequence"].astype(np.int64)
    assert CommandFlag.OPERATOR not in commands["flags"]
    return commands


def write_log(path, commands, *, sealed=True, later_days=0, programmes=PROGRAMMES, deposit_fen=0):
    registry = msgspec.structs.replace(
        world(programmes=programmes, tick_fen=10, later_days=later_days), limits=LIMITS.as_dict()
    )
    contracts = tuple(
        msgspec.structs.replace(each, deposit_fen=deposit_fen) for each in registry.contracts
    )
    registry = msgspec.structs.replace(registry, contracts=contracts)
    assert [each.symbol for each in registry.instruments] == list(INSTRUMENTS)
    digest = hashlib.sha256(ReferenceEngine(LIMITS).process(commands).tobytes()).digest()
    with DayLogWriter.create(path, venue="TEST", trading_day=registry.trading_day) as log:
        log.append_registry(registry)
        for part in np.array_split(np.arange(len(commands)), 5):
            log.append(commands[part])
        if sealed:
            log.seal(digest)
    return path


@pytest.fixture(scope="module")
def day(tmp_path_factory):
    """A sealed log, and the books with that day settled."""
    folder = tmp_path_factory.mktemp("day")
    log_path = write_log(folder / "day.log", day_commands(seed=1, count=300))
    log = read_day_log(log_path)
    engine = ReferenceEngine(log.limits)
    with create_books(folder / "books.duckdb") as books:
        result = settle(books, log.registry, map(engine.process, log.blocks()), log.sha256)
    return log_path, folder / "books.duckdb", result


def test_the_day_has_something_of_everything(day):
    _, _, result = day
    assert result.trades > 50
    assert result.instruments == 4
    assert set(result.vouchers_fen_by_model) == {"deduct", "reimburse"}
    assert {"rate", "agreement", "pool-year"} <= set(result.voucher_bindings)
    assert result.trial_balance_fen == 0


def test_an_independent_sum_of_the_fills_gives_the_accounts_of_the_day(day):
    log_path, books_path, result = day
    expected = totals(log_path, ReferenceEngine)
    with open_books(books_path, read_only=True) as books:
        found = account_days(books, result.day)
    assert len(found) == 4
    for account in found:
        sums = defaultdict(int, expected[account.account])
        assert (
            account.bought, account.bought_fen, account.sold, account.sold_fen, account.fees_fen,
        ) == (
            sums["bought"], sums["bought_fen"], sums["sold"], sums["sold_fen"], sums["fees_fen"],
        )  # fmt: skip
    turnover_fen = sum(each["bought_fen"] for each in expected.values() if "bought_fen" in each)
    assert turnover_fen == result.turnover_fen


def test_an_independent_sum_of_the_fills_gives_the_totals_of_the_statements(day):
    log_path, books_path, _ = day
    statements_agree(books_path, totals(log_path, ReferenceEngine))


@pytest.mark.parametrize("machine", [ReferenceEngine, None])  # None: the compiled engine
def test_verification_of_an_untouched_day_finds_nothing(day, machine):
    log_path, books_path, _ = day
    assert verify(books_path, log_path, machine) == []


def test_verification_finds_a_changed_fen_and_a_seal_of_other_events(day, tmp_path):
    log_path, books_path, _ = day
    copy = tmp_path / "books.duckdb"
    copy.write_bytes(books_path.read_bytes())
    with open_books(copy) as books:
        books.execute("DROP TRIGGER postings_update ON postings")
        books.execute("UPDATE postings SET amount_fen = amount_fen + 1 WHERE id = 9")
    found = verify(copy, log_path, ReferenceEngine)
    assert any(each.startswith("postings: id 9: amount_fen is") for each in found)

    class Forgetful(ReferenceEngine):
        def process(self, commands):
            return super().process(commands)[:-1]

    found = verify(books_path, log_path, Forgetful)
    assert f"{log_path}: its commands do not give the events that were sealed" in found


def test_verification_of_another_log_says_so(day, tmp_path):
    _, books_path, _ = day
    other = write_log(tmp_path / "other.log", day_commands(seed=2, count=50))
    assert "was made from input" in verify(books_path, other, ReferenceEngine)[0]


def test_a_log_without_its_end_is_refused(day, tmp_path):
    _, books_path, _ = day
    path = write_log(tmp_path / "open.log", day_commands(seed=1, count=5), sealed=False)
    with pytest.raises(DayLogNotSealed):
        verify(books_path, path, ReferenceEngine)


def test_the_trial_balance_of_the_day_sums_to_zero_and_knows_every_kind_of_account(day):
    _, books_path, _ = day
    with open_books(books_path, read_only=True) as books:
        whole = trial_balance(books)
    assert whole.total_fen == 0
    kinds = {each.account.split(":")[0] for each in whole.accounts}
    assert {"bank", "cash", "clearing", "escrow", "fees", "pool"} <= kinds
    open_ = [each.account for each in whole.accounts if each.balance_fen]
    assert not [name for name in open_ if name.startswith(("escrow", "clearing", "receivable"))]


def test_a_statement_of_a_later_span_opens_with_what_came_before(day):
    _, books_path, result = day
    with open_books(books_path, read_only=True) as books:
        whole = statement(books, "cash:alice")
        later = statement(books, "cash:alice", since="2026-11-22")
        earlier = statement(books, "cash:alice", until="2026-11-20")
        same = statement(books, "alice", since=result.day, until=result.day)
    assert later.opening_fen == later.closing_fen == whole.closing_fen
    assert (earlier.opening_fen, earlier.closing_fen, earlier.lines) == (0, 0, ())
    assert same.lines == whole.lines
