"""Small registries for tests of the ledger, and a day's events written as a text.

    fund alice 100.00          a deposit, in CNY
    withdraw alice 1.00        a withdrawal
    alice buys 5 A at 1000 from bob fees 3 2     a trade: lots, ticks; buyer's, seller's fee in fen
    block: alice buys 5 A at 900 from bob        a trade off the book, between two blocks
    alice buys 5 A at 1000 from bob group 7 buyer     a trade of a block: group, owner (or both)
    bust 1: alice buys 5 A at 1000 from bob fees 3 2     trade 1 is taken back, with these fees

Every name is an account of a firm of the same name, unless a test changes it. Instruments are
A, B, C, D: A and B are hours of one contract and day, C is of the next day, D of another contract.
"""

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from ledger.books.database import Books, memory_books, open_books
from ledger.day_settlement import settle
from ledger.daylog.registry import (
    Account,
    Contract,
    Firm,
    Hub,
    Instrument,
    Programme,
    Registry,
)
from ledger.statements.account import statement, trial_balance
from matching.records import EVENT, EventFlag, EventKind, Side

DAY_START_S = 1795276800  # 2026-11-22 00:00 in Asia/Shanghai
HOUR_S = 3600
INSTRUMENTS = {
    "A": ("H.QD", 0, 1),
    "B": ("H.QD", 1, 1),
    "C": ("H.QD", 24, 1),
    "D": ("P.CD", 0, 24),
}


def programme(name: str, **changes: object) -> Programme:
    """A programme that pays 10% of everything from one funder, changed as asked."""
    settings: dict[str, object] = {
        "id": name, "version": 1, "place": "Qingdao", "policy": "made up", "source": "made up",
        "model": "deduct", "side": "buyer", "effective_from": "2026-01-01", "rate_bp": 1000,
        "funders": {"city": 1},
    }  # fmt: skip
    return Programme(**{**settings, **changes})  # type: ignore[arg-type]


def firm(number: int, name: str, **changes: object) -> Firm:
    settings: dict[str, object] = {
        "id": number, "name": name, "kind": "sme", "city": "Qingdao", "province": "Shandong",
    }  # fmt: skip
    return Firm(**{**settings, **changes})  # type: ignore[arg-type]


def world(
    names: str = "alice bob carol dave",
    *,
    day: str = "2026-11-21",
    programmes: tuple[Programme, ...] = (),
    firms: dict[str, dict[str, object]] | None = None,
    tick_fen: int = 1,
    later_days: int = 0,
) -> Registry:
    """A registry with one firm and one account per name; `firms` changes firms by name.

    All deliveries are `later_days` later.
    """
    changes = firms or {}
    people = names.split()
    first_s = DAY_START_S + later_days * 24 * HOUR_S
    contract = {
        "lot": 1, "reference_ticks": 1000, "band_low_ticks": 1, "band_high_ticks": 100_000,
        "maker_fee_ppm": 500, "taker_fee_ppm": 500, "deposit_fen": 0, "gate_closure_s": HOUR_S,
        "tick_fen": tick_fen,
    }  # fmt: skip
    hub = {"tier": "centre", "latency_us": {}}
    return Registry(
        venue="TEST",
        trading_day=day,
        note="made up",
        limits={},
        hubs=(
            Hub(code="QD", name="Qingdao", name_zh="青岛", city="Qingdao", province="Shandong",
                **hub),  # type: ignore[arg-type]
            Hub(code="CD", name="Chengdu", name_zh="成都", city="Chengdu", province="Sichuan",
                **hub),  # type: ignore[arg-type]
        ),
        contracts=(
            Contract(code="H.QD", product="gpu-hour", hub="QD", chips=("H800",), **contract),
            Contract(code="P.CD", product="pflops-day", hub="CD", chips=("H800",), **contract),
        ),
        instruments=tuple(
            Instrument(
                id=number, symbol=symbol, contract=code,
                delivery_start_s=first_s + start * HOUR_S,
                delivery_end_s=first_s + (start + hours) * HOUR_S,
                gate_s=first_s + (start - 1) * HOUR_S,
            )
            for number, (symbol, (code, start, hours)) in enumerate(INSTRUMENTS.items(), 1)
        ),
        firms=tuple(
            firm(number, name, **changes.get(name, {})) for number, name in enumerate(people, 1)
        ),
        accounts=tuple(
            Account(id=number, name=name, firm=number, member=number, role="buyer")
            for number, name in enumerate(people, 1)
        ),
        programmes=programmes,
    )  # fmt: skip


def events(registry: Registry, text: str) -> NDArray[np.void]:
    """The events of a day (EVENT[n]) written in the language above."""
    number = {account.name: account.id for account in registry.accounts}
    instrument = {each.symbol: each.id for each in registry.instruments}
    rows = []
    trades = 0
    lines = [line.split("#")[0].split() for line in text.splitlines()]
    for sequence, words in enumerate((line for line in lines if line), 1):
        base = {"sequence": sequence, "time_ns": sequence, "session": 1, "user_ref": sequence}
        match words:
            case ["fund" | "withdraw" as verb, name, amount]:
                kind = EventKind.FUNDED if verb == "fund" else EventKind.WITHDRAWN
                fen = round(float(amount) * 100)
                rows.append({**base, "kind": kind, "account": number[name], "amount_fen": fen})
            case _ if "buys" in words:
                bust = int(words[1].rstrip(":")) if words[0] == "bust" else 0
                block = words[0] == "block:"
                trade = words[2 if bust else block :]
                buyer, _, quantity, symbol, _, price, _, seller, *more = trade
                trades += not bust
                buyer_fee, seller_fee = (int(more[1]), int(more[2])) if "fees" in more else (0, 0)
                group, block_of = (int(more[-2]), more[-1]) if "group" in more else (0, "")
                fill = {
                    **base, "kind": EventKind.BUSTED if bust else EventKind.FILLED,
                    "trade_id": bust or trades, "price": int(price),
                    "quantity": int(quantity), "instrument": instrument[symbol],
                    "flags": EventFlag.OFF_BOOK if block or block_of == "both" else 0,
                    "trade_group": group,
                }  # fmt: skip
                rows.append({
                    **fill, "account": number[seller], "side": Side.SELL, "fee_fen": seller_fee,
                    "flags": fill["flags"]
                    | (EventFlag.BLOCK if block_of in ("seller", "both") else 0),
                })  # fmt: skip
                rows.append({
                    **fill, "account": number[buyer], "side": Side.BUY, "fee_fen": buyer_fee,
                    "flags": 0 if bust else fill["flags"] | EventFlag.TAKER
                    | (EventFlag.BLOCK if block_of in ("buyer", "both") else 0),
                })  # fmt: skip
            case _:
                raise ValueError(f"not in the language: {' '.join(words)}")
    array = np.zeros(len(rows), dtype=EVENT)
    for k, row in enumerate(rows):
        for name, value in row.items():
            array[k][name] = value
    return array


INPUT = "ab" * 32
"""A made-up hash of a day log."""


def settled(registry: Registry, text: str, *, books: Books | None = None) -> Books:
    """Books in memory, or those given, after settlement of the day that `text` describes."""
    books = books or memory_books()
    settle(books, registry, events(registry, text), INPUT)
    return books


def postings(books: Books, *kinds: str, batch: int | None = None) -> list[str]:
    """Postings as texts, "kind: from -> to fen", of these kinds and this batch, or of all."""
    return [
        f"{kind}: {source} -> {target} {fen}"
        for kind, source, target, fen, number in books.rows(
            "SELECT kind, from_account, to_account, amount_fen, batch FROM journal ORDER BY id"
        )
        if (not kinds or kind in kinds) and batch in (None, number)
    ]


def balances(books: Books, prefix: str = "") -> dict[str, int]:
    """Balances that are not zero, of the accounts whose names start with `prefix`."""
    return {
        each.account: each.balance_fen
        for each in trial_balance(books).accounts
        if each.balance_fen and each.account.startswith(prefix)
    }


def grants(books: Books) -> list[tuple[str, int, int, str]]:
    """All decisions in order: programme, amount wanted, amount granted, binding rule."""
    return books.rows(
        "SELECT substr(n.name, 11), want_fen, grant_fen, binding::VARCHAR FROM vouchers AS v "
        "JOIN names AS n ON n.id = v.programme ORDER BY v.id"
    )


def statements_agree(books_path, totals_by_account):
    """Assert that every account's statement equals the independent totals, to the fen."""
    with open_books(books_path, read_only=True) as books:
        for name, each in totals_by_account.items():
            sums = defaultdict(int, each)
            found = statement(books, name)
            paid = defaultdict(int, found.totals_fen)
            traded_fen = paid["difference"] + paid["escrow"] + paid["delivery"]
            assert traded_fen == sums["sold_fen"] - sums["bought_fen"]
            assert paid["fee"] == -sums["fees_fen"]
            assert paid["deposit"] == sums["deposited_fen"]
            assert paid["withdrawal"] == -sums["withdrawn_fen"]
            assert paid["advance"] == -paid["repayment"]
            assert found.closing_fen == sum(found.totals_fen.values())
            assert found.lines[-1].balance_fen == found.closing_fen
