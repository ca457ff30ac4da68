"""Fuzz test of the ledger: random days with trades, transfers, busts, deliveries and corrections.

    python -m tests.tools.ledger_fuzz --days 10000 [--seed N] [--workers N]

Every four days have books of their own. After each day the balances sum to zero, the clearing
account is flat, escrow and deposits equal what they secure, no purse is negative and no pool is
overdrawn. After the last day the whole audit runs: postings and balances of every day, agreements,
vouchers, the chain of hashes. One day in three is reversed and settled again, and must lead to the
same balances.
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
from ledger.day_settlement import settle
from ledger.daylog.registry import Chip
from ledger.delivery.dispatch import claim, deliver, nominate
from ledger.delivery.meter_files import Metering, Meterings
from ledger.delivery.shortfall import post_shortfalls
from ledger.proof.audit import audit
from ledger.proof.reversal import reverse_day
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
    """Simulate days from a seed; returns the number of postings. Asserts the rules above."""
    random = np.random.default_rng(seed)
    postings = done = 0
    while done < days:
        count = min(DAYS_A_BOOK, days - done)
        postings += simulate(count, random)
        done += count
        if done % PROGRESS_DAYS == 0:
            print(f"seed {seed}: {done} of {days} days, {postings} postings", file=sys.stderr)
    return postings


def simulate(days, random):
    """Simulate days in books of their own; returns the number of postings."""
    books, traded = memory_books(), []
    base = registry_of(random)
    issue_vouchers(books, base, random)
    for number in range(days):
        registry = msgspec.structs.replace(base, trading_day=f"2026-11-{10 + number}")
        trade = len(traded)
        text = day_text(random, traded, first=number == 0)
        found = events(registry, text)
        found["trade_id"][np.isin(found["kind"], (2,))] += trade
        full = bool(random.integers(0, 2))
        before = balances(books)
        settle(books, registry, found, f"{number:064}", deliver=full)
        if random.integers(0, 3) == 0:
            after = balances(books)
            reverse_day(books, registry.trading_day)
            assert balances(books) == before, text
            settle(books, registry, found, f"{number:064}", deliver=full)
            assert balances(books) == after, text
        if not full and random.integers(0, 2):
            dispatch(books, registry, random)
        if random.integers(0, 3) == 0:
            claim_shortfalls(books, registry, number, random)
        check(books, text, whole=number == days - 1)
        if full:
            traded.clear()
    return books.scalar("SELECT count(*) FROM postings")


def programmes_of(random):
    """Two versions of three programmes, one for each day of delivery."""
    caps = [None, int(random.integers(1, 20_000)), int(random.integers(1, 20_000))]
    programmes = tuple(
        programme(
            name, model=model, version=version, rate_bp=int(random.integers(1, 10_001)),
            per_agreement_cap_fen=caps[random.integers(0, 3)],
            per_firm_year_cap_fen=caps[random.integers(0, 3)],
            pool_year_fen=caps[random.integers(0, 3)],
            funders={"x": int(random.integers(1, 4)), "y": int(random.integers(1, 4))},
            funder_caps_fen={"x": int(random.integers(1, 9_000))} if random.integers(0, 2) else {},
            compute_hubs=[(), ("QD",), ("CD",)][random.integers(0, 3)], application=name == "r",
            kinds_first=[(), ("sme",)][random.integers(0, 2)], **dates,
        )
        for name, model in (("p", "deduct"), ("q", "reimburse"), ("r", "deduct"))
        for version, dates in enumerate(VERSIONS, 1)
    )  # fmt: skip
    return tuple(programmes[k] for k in random.permutation(len(programmes)))


def registry_of(random):
    """A registry of six firms with random deposits, penalties and programmes."""
    programmes = programmes_of(random)
    firms = {"dave": {"kind": "company"}, "alice": {"kind": "company"}}
    made = world(" ".join(NAMES), programmes=programmes, firms=firms)
    chip = Chip(code="H800", vendor="x", dense_fp16_tflops=500, confidence="low", source="made up")
    deposit, penalty = int(random.integers(0, 300)), int(random.integers(0, 10_001))
    contracts = tuple(
        msgspec.structs.replace(each, deposit_fen=deposit, penalty_bp=penalty)
        for each in made.contracts
    )
    closed = tuple(msgspec.structs.replace(each, gate_s=0) for each in made.instruments)
    return msgspec.structs.replace(made, contracts=contracts, chips=(chip,), instruments=closed)


def issue_vouchers(books, registry, random):
    """Issue vouchers of the programme with applications to some of the firms."""
    before = msgspec.structs.replace(registry, trading_day="2026-11-09")
    for name in NAMES:
        if random.integers(0, 2):
            found = apply(books, before, "r", name, 2026, int(random.integers(1, 20_000)))
            with suppress(LedgerError):  # where the caps have nothing left
                approve(books, before, found.id)
                issue(books, before, found.id)


def claim_shortfalls(books, registry, number, random):
    """Report a shortfall of some deliveries."""
    rows = books.rows(
        "SELECT d.agreement, d.instrument, delivered_millionths - coalesce(sum(lost), 0) AS rest "
        "FROM deliveries AS d SEMI JOIN standing AS b ON b.id = d.batch LEFT JOIN ("
        "SELECT agreement, instrument, lost_millionths AS lost FROM shortfalls "
        "SEMI JOIN standing AS b ON b.id = shortfalls.batch) AS s USING (agreement, instrument) "
        "GROUP BY d.agreement, d.instrument, delivered_millionths HAVING rest > 0 ORDER BY ALL"
    )
    lines = tuple(
        Metering(f"{number}-{agreement}-{instrument}", agreement, instrument, "H800", 1, 1,
                 int(random.integers(1, int(left) + 1)))
        for agreement, instrument, left in rows if random.integers(0, 3) == 0
    )  # fmt: skip
    if lines:
        post_shortfalls(books, registry, Meterings("cd" * 32, lines, (), ()))


def day_text(random, traded, *, first):
    """A day in the language of ledger_world; sellers may have no cash, busts are of open trades."""
    lines = [f"fund {name} 10000000.00" for name in NAMES[:3] if first]
    for _ in range(int(random.integers(0, 12))):
        buyer, seller = random.choice(NAMES, 2)
        line = (
            f"{buyer} buys {random.integers(1, 21)} {random.choice(list('ABCD'))} at "
            f"{random.integers(1, 3001)} from {seller} fees {random.integers(0, 10)} "
            f"{random.integers(0, 10)}"
        )
        traded.append(line)
        lines.append(line if random.integers(0, 4) else f"block: {line}")
    for group in range(1, int(random.integers(0, 3))):
        for line in block_text(random, group):
            traded.append(line)
            lines.append(line)
    open_ = [k for k, line in enumerate(traded) if line is not None]
    if open_ and random.integers(0, 4) == 0:
        number = int(random.choice(open_))
        lines.append(f"bust {number + 1}: {traded[number]}")
        traded[number] = None
    if not first:
        lines.append(f"fund {random.choice(NAMES)} {random.integers(1, 10_000)}.00")
        lines.append(f"withdraw {NAMES[0]} {random.integers(1, 100)}.00")
    return "\n".join(lines)


def block_text(random, group):
    """A block of both hours, from one or two sellers in each."""
    buyer, lots = random.choice(NAMES), int(random.integers(2, 9))
    for symbol in "AB":
        first = int(random.integers(1, lots + 1))
        for part in (first, lots - first):
            if part:
                yield (
                    f"{buyer} buys {part} {symbol} at {random.integers(1, 3001)} from "
                    f"{random.choice(NAMES)} fees 1 2 group {group} buyer"
                )


def dispatch(books, registry, random):
    """Nominate open positions, and deliver a random part of them."""
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
                     int(quantity * 1_000_000 * random.choice([0, 0.37, 1, 1, 1, 1.5])))
            for agreement, instrument, quantity in rows
            if agreement in own and random.integers(0, 5)
        )  # fmt: skip
        early = tuple(each for each in lines if random.integers(0, 2))
        late = tuple(each for each in lines if each not in early)
        deliver(books, registry, day, Meterings("ab" * 32, early, (), ()), part=True)
        if books.rows(statements("metering")["waiting"], {"day": day}):
            deliver(books, registry, day, Meterings("ef" * 32, late, (), ()))
    if books.scalar(CLAIMS):
        claim(books, registry)


EACH_DAY = ("clearing", "flat_positions", "escrow", "purses", "pools", "funders")
"""Queries of the audit that check present balances; the others check every day."""


def check(books, text, whole):
    """Assert the invariants of the books; `whole`: by the whole audit."""
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
