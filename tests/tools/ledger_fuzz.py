"""Random days for the ledger, from one seed: trades, transfers, busts, deliveries, corrections.

    python -m tests.tools.ledger_fuzz --days 10000 [--seed N] [--workers N]

Every few days make books of their own. After each day all balances sum to zero, the clearing
account is flat, escrow and deposits hold what they stand for, nothing that must not be negative is
and no pool is overdrawn; after the last the books are audited whole: every posting and balance of
every day, agreements that add up, vouchers that prove themselves, the chain of hashes. A day in
three is reversed and settled again, and must come to the same balances.
"""

import argparse
import multiprocessing
import sys
from contextlib import suppress

import msgspec
import numpy as np

from ledger.books.database import memory_books
from ledger.books.errors import LedgerError
from ledger.books.queries import statements
from ledger.daylog.registry import Chip
from ledger.delivery.dispatch import claim, deliver, nominate
from ledger.delivery.meter_files import Metering, Meterings
from ledger.delivery.shortfall import post_shortfalls
from ledger.proof.audit import audit
from ledger.proof.reversal import reverse_day
from ledger.settle import settle
from ledger.vouchers.applications import apply, approve, issue
from tests.support.ledger_world import balances, events, programme, world

NAMES = ["alice", "bob", "carol", "dave", "erin", "frank"]
DAYS_A_BOOK = 4
PROGRESS_DAYS = 200
CLAIMS = """
    SELECT count(*) FROM (
        SELECT voucher FROM voucher_events SEMI JOIN standing AS b ON b.id = voucher_events.batch
        GROUP BY voucher HAVING bool_or(state = 'claimed')
            AND arg_max(state, turn) IN ('claimed', 'reduced'))
"""
DELIVERY_DAYS = ("2026-11-22", "2026-11-23")
VERSIONS = ({"effective_until": "2026-11-22"}, {"effective_from": "2026-11-23"})


def run(days, seed):
    """Simulate so many days; the number of postings. Asserts what must hold."""
    dice = np.random.default_rng(seed)
    postings = done = 0
    while done < days:
        count = min(DAYS_A_BOOK, days - done)
        postings += simulate(count, dice)
        done += count
        if done % PROGRESS_DAYS == 0:
            print(f"seed {seed}: {done} of {days} days, {postings} postings", file=sys.stderr)
    return postings


def simulate(days, dice):
    """Some days in books of their own."""
    books, traded = memory_books(), []
    base = registry_of(dice)
    issue_some(books, base, dice)
    for number in range(days):
        registry = msgspec.structs.replace(base, trading_day=f"2026-11-{10 + number}")
        trade = len(traded)
        text = day_text(dice, traded, first=number == 0)
        found = events(registry, text)
        found["trade_id"][np.isin(found["kind"], (2,))] += trade
        full = bool(dice.integers(0, 2))
        before = balances(books)
        settle(books, registry, found, f"{number:064}", deliver=full)
        if dice.integers(0, 3) == 0:
            after = balances(books)
            reverse_day(books, registry.trading_day)
            assert balances(books) == before, text
            settle(books, registry, found, f"{number:064}", deliver=full)
            assert balances(books) == after, text
        if not full and dice.integers(0, 2):
            dispatch(books, registry, dice)
        if dice.integers(0, 3) == 0:
            lose(books, registry, number, dice)
        check(books, text, whole=number == days - 1)
        if full:
            traded.clear()
    return books.scalar("SELECT count(*) FROM postings")


def programmes_of(dice):
    """Two versions of three programmes, one for each day of delivery."""
    caps = [None, int(dice.integers(1, 20_000)), int(dice.integers(1, 20_000))]
    programmes = tuple(
        programme(
            name, model=model, version=version, rate_bp=int(dice.integers(1, 10_001)),
            per_agreement_cap_fen=caps[dice.integers(0, 3)],
            per_firm_year_cap_fen=caps[dice.integers(0, 3)],
            pool_year_fen=caps[dice.integers(0, 3)],
            funders={"x": int(dice.integers(1, 4)), "y": int(dice.integers(1, 4))},
            funder_caps_fen={"x": int(dice.integers(1, 9_000))} if dice.integers(0, 2) else {},
            compute_hubs=[(), ("QD",), ("CD",)][dice.integers(0, 3)], application=name == "r",
            kinds_first=[(), ("sme",)][dice.integers(0, 2)], **dates,
        )
        for name, model in (("p", "deduct"), ("q", "reimburse"), ("r", "deduct"))
        for version, dates in enumerate(VERSIONS, 1)
    )  # fmt: skip
    return tuple(programmes[k] for k in dice.permutation(len(programmes)))


def registry_of(dice):
    programmes = programmes_of(dice)
    firms = {"dave": {"kind": "company"}, "alice": {"kind": "company"}}
    made = world(" ".join(NAMES), programmes=programmes, firms=firms)
    chip = Chip(code="H800", vendor="x", dense_fp16_tflops=500, confidence="low", source="made up")
    deposit, penalty = int(dice.integers(0, 300)), int(dice.integers(0, 10_001))
    contracts = tuple(
        msgspec.structs.replace(each, deposit_fen=deposit, penalty_bp=penalty)
        for each in made.contracts
    )
    closed = tuple(msgspec.structs.replace(each, gate_s=0) for each in made.instruments)
    return msgspec.structs.replace(made, contracts=contracts, chips=(chip,), instruments=closed)


def issue_some(books, registry, dice):
    """Vouchers of the programme that asks for applications, for some of the firms."""
    before = msgspec.structs.replace(registry, trading_day="2026-11-09")
    for name in NAMES:
        if dice.integers(0, 2):
            found = apply(books, before, "r", name, 2026, int(dice.integers(1, 20_000)))
            with suppress(LedgerError):  # where the caps have nothing left
                approve(books, before, found.id)
                issue(books, before, found.id)


def lose(books, registry, number, dice):
    """Find some of what was delivered missing."""
    rows = books.rows(
        "SELECT d.agreement, d.instrument, delivered_millionths - coalesce(sum(lost), 0) AS rest "
        "FROM deliveries AS d SEMI JOIN standing AS b ON b.id = d.batch LEFT JOIN ("
        "SELECT agreement, instrument, lost_millionths AS lost FROM shortfalls "
        "SEMI JOIN standing AS b ON b.id = shortfalls.batch) AS s USING (agreement, instrument) "
        "GROUP BY d.agreement, d.instrument, delivered_millionths HAVING rest > 0 ORDER BY ALL"
    )
    lines = tuple(
        Metering(f"{number}-{agreement}-{instrument}", agreement, instrument, "H800", 1, 1,
                 int(dice.integers(1, int(left) + 1)))
        for agreement, instrument, left in rows if dice.integers(0, 3) == 0
    )  # fmt: skip
    if lines:
        post_shortfalls(books, registry, Meterings("cd" * 32, lines, (), ()))


def day_text(dice, traded, *, first):
    """A day in the tests' language; sellers without cash are welcome, busts are of what is open."""
    lines = [f"fund {name} 10000000.00" for name in NAMES[:3] if first]
    for _ in range(int(dice.integers(0, 12))):
        buyer, seller = dice.choice(NAMES, 2)
        line = (
            f"{buyer} buys {dice.integers(1, 21)} {dice.choice(list('ABCD'))} at "
            f"{dice.integers(1, 3001)} from {seller} fees {dice.integers(0, 10)} "
            f"{dice.integers(0, 10)}"
        )
        traded.append(line)
        lines.append(line if dice.integers(0, 4) else f"block: {line}")
    for group in range(1, int(dice.integers(0, 3))):
        for line in block_text(dice, group):
            traded.append(line)
            lines.append(line)
    open_ = [k for k, line in enumerate(traded) if line is not None]
    if open_ and dice.integers(0, 4) == 0:
        number = int(dice.choice(open_))
        lines.append(f"bust {number + 1}: {traded[number]}")
        traded[number] = None
    if not first:
        lines.append(f"fund {dice.choice(NAMES)} {dice.integers(1, 10_000)}.00")
        lines.append(f"withdraw {NAMES[0]} {dice.integers(1, 100)}.00")
    return "\n".join(lines)


def block_text(dice, group):
    """Somebody's block of both hours, from one seller or two in each."""
    buyer, lots = dice.choice(NAMES), int(dice.integers(2, 9))
    for symbol in "AB":
        first = int(dice.integers(1, lots + 1))
        for part in (first, lots - first):
            if part:
                yield (
                    f"{buyer} buys {part} {symbol} at {dice.integers(1, 3001)} from "
                    f"{dice.choice(NAMES)} fees 1 2 group {group} buyer"
                )


def dispatch(books, registry, dice):
    """Nominate what is open, and deliver a random part of it."""
    for day in DELIVERY_DAYS:
        if not nominate(books, registry, day):
            continue
        rows = books.rows(
            "SELECT agreement, instrument, quantity FROM nominations AS n "
            "SEMI JOIN standing AS b ON b.id = n.batch "
            "ANTI JOIN deliveries AS d ON d.agreement = n.agreement"
        )
        own = {agreement for (agreement,) in books.rows(
            "SELECT id FROM agreements WHERE delivery_day = $day::DATE", {"day": day}
        )}  # fmt: skip
        lines = tuple(
            Metering(f"{day}-{agreement}-{instrument}", agreement, instrument, "H800", 1, 1,
                     int(quantity * 1_000_000 * dice.choice([0, 0.37, 1, 1, 1, 1.5])))
            for agreement, instrument, quantity in rows
            if agreement in own and dice.integers(0, 5)
        )  # fmt: skip
        early = tuple(each for each in lines if dice.integers(0, 2))
        late = tuple(each for each in lines if each not in early)
        deliver(books, registry, day, Meterings("ab" * 32, early, (), ()), part=True)
        if books.rows(statements("metering")["waiting"], {"day": day}):
            deliver(books, registry, day, Meterings("ef" * 32, late, (), ()))
    if books.scalar(CLAIMS):
        claim(books, registry)


EACH_DAY = ("clearing", "flat_positions", "escrow", "purses", "pools", "funders")
"""Queries of the audit that look at where the books stand; the others look at every day anyway."""


def check(books, text, whole):
    if whole:
        faults = audit(books)
    else:
        faults = [row for name in EACH_DAY for row in books.rows(statements("audit")[name])]
    assert faults == [], (faults, text)
    assert sum(balances(books).values()) == 0
    assert not balances(books, "clearing")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1, help="of the first worker")
    parser.add_argument("--workers", type=int, default=1)
    chosen = parser.parse_args()
    share = -(-chosen.days // chosen.workers)
    tasks = [(share, chosen.seed + k) for k in range(chosen.workers)]
    with multiprocessing.Pool(chosen.workers) as pool:
        postings = sum(pool.starmap(run, tasks))
    print(f"{share * chosen.workers} days, {postings} postings, all sound")
