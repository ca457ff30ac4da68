"""Random small days: whatever is traded, no money appears or disappears."""

from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.books.database import memory_books
from ledger.day_settlement import settle
from ledger.proof.audit import audit
from ledger.proof.verify import compare
from tests.support.ledger_world import INPUT, balances, events, programme, world

NAMES = ("alice", "bob", "carol", "dave")
FUNDED_FEN = 10**9

trades = st.tuples(
    st.sampled_from(NAMES), st.sampled_from(NAMES), st.sampled_from("ABCD"),
    st.integers(1, 20), st.integers(1, 3000), st.integers(0, 9), st.integers(0, 9),
)  # fmt: skip
caps = st.none() | st.integers(1, 20_000)


@st.composite
def programmes(draw):
    """One or two programmes of any model, rate, caps, shares and places."""
    return tuple(
        programme(
            name,
            model=draw(st.sampled_from(["deduct", "reimburse"])),
            rate_bp=draw(st.integers(1, 10_000)),
            per_agreement_cap_fen=draw(caps),
            per_firm_year_cap_fen=draw(caps),
            pool_year_fen=draw(caps),
            funders=draw(st.dictionaries(st.sampled_from("xyz"), st.integers(1, 5))),
            compute_hubs=draw(st.sampled_from([(), ("QD",), ("CD",)])),
        )
        for name in draw(st.sampled_from([("p",), ("p", "q")]))
    )


def text_of(day):
    """The day in the tests' language; sellers may have no cash."""
    return "\n".join(
        f"{buyer} buys {lots} {symbol} at {ticks} from {seller} fees {fee} {other}"
        for buyer, seller, symbol, lots, ticks, fee, other in day
    )


def cash_of(day):
    """Money of each account by the fills alone, in fen."""
    cash = dict.fromkeys(NAMES, 0)
    for buyer, seller, _, lots, ticks, fee, other in day:
        cash[buyer] -= lots * ticks + fee
        cash[seller] += lots * ticks - other
    return cash


@settings(deadline=None, max_examples=8)
@given(st.lists(st.lists(trades, max_size=12), min_size=1, max_size=3), programmes(), st.data())
def test_random_days_balance_and_pay_everybody_what_the_fills_say(days, paying, data):
    books = memory_books()
    opening = "\n".join(f"fund {name} {FUNDED_FEN // 100}" for name in NAMES[:2]) + "\n"
    for number, day in enumerate(days):
        registry = world(day=f"2026-11-{10 + number}", programmes=paying)
        last = number == len(days) - 1
        deliver = last or data.draw(st.booleans())
        array = events(registry, ("" if number else opening) + text_of(day))
        result = settle(books, registry, array, INPUT, deliver=deliver)
        assert result.trial_balance_fen == 0
        assert audit(books) == []
    before = books.rows("FROM postings ORDER BY id")
    assert settle(books, registry, array, INPUT).already_settled
    assert books.rows("FROM postings ORDER BY id") == before
    assert compare(books, registry, array, INPUT) == []
    assert balances(books, "escrow") == balances(books, "clearing") == {}
    vouchers = dict(
        books.rows(
            "SELECT n.name, sum(v.grant_fen) FROM vouchers AS v "
            "JOIN agreements AS a ON a.id = v.agreement "
            "JOIN names AS n ON n.id = a.buyer GROUP BY 1"
        )
    )
    expected = cash_of([trade for day in days for trade in day])
    for name in NAMES:
        held = balances(books, f"cash:{name}").get(f"cash:{name}", 0)
        owed = -balances(books, f"receivable:{name}").get(f"receivable:{name}", 0)
        funded = FUNDED_FEN if name in NAMES[:2] else 0
        assert held - owed == funded + expected[name] + vouchers.get(f"cash:{name}", 0)
