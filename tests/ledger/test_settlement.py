"""Settlement of small worlds, to the fen, with amounts that a reader can add up."""

import msgspec
import numpy as np
import pytest

from ledger.books.database import memory_books
from ledger.books.errors import DayOrderError, InputDiffersError, InputError, LedgerError
from ledger.day_settlement import settle
from ledger.proof.audit import audit, certificate
from ledger.settlement.fills import read_fills
from ledger.statements.account import trial_balance
from ledger.statements.summary import InstrumentDay, account_days, instrument_days, summarise
from tests.support.ledger_world import INPUT, balances, events, postings, programme, settled, world


def test_one_trade_moves_the_price_to_the_seller_and_both_fees_to_the_venue():
    books = settled(
        world(),
        """
        fund alice 100.00
        alice buys 5 A at 1000 from bob fees 3 2
        """,
    )
    assert postings(books) == [
        "deposit: bank -> cash:alice 10000",
        "escrow: cash:alice -> escrow:A 5000",
        "fee: cash:alice -> fees 3",
        "delivery: escrow:A -> cash:bob 5000",
        "fee: cash:bob -> fees 2",
    ]
    assert balances(books) == {"bank": -10000, "cash:alice": 4997, "cash:bob": 4998, "fees": 5}


def test_differences_to_the_average_price_are_paid_and_cancel_out():
    # VWAP (1000 x 1 + 1010 x 3) / 4 = 1007.5, half up 1008.
    books = settled(
        world(),
        """
        fund alice 100.00
        fund carol 100.00
        alice buys 1 A at 1000 from bob
        carol buys 3 A at 1010 from dave
        """,
    )
    assert postings(books, batch=1)[2:] == [
        "difference: cash:bob -> clearing 8",
        "difference: cash:carol -> clearing 6",
        "difference: clearing -> cash:alice 8",
        "difference: clearing -> cash:dave 6",
        "escrow: cash:alice -> escrow:A 1008",
        "escrow: cash:carol -> escrow:A 3024",
        "advance: receivable:bob -> cash:bob 8",
    ]
    assert balances(books, "cash") == {
        "cash:alice": 9000, "cash:bob": 1000, "cash:carol": 6970, "cash:dave": 3030,
    }  # fmt: skip


def test_a_sellers_difference_without_cash_is_advanced_and_paid_back_out_of_its_proceeds():
    books = settled(
        world(),
        """
        fund alice 100.00
        fund carol 100.00
        alice buys 1 A at 1000 from bob
        carol buys 3 A at 1010 from dave
        """,
    )
    assert postings(books, "advance", "repayment") == [
        "advance: receivable:bob -> cash:bob 8",
        "repayment: cash:bob -> receivable:bob 8",
    ]


@pytest.mark.parametrize(
    ("first", "second", "settlement_ticks"),
    [(1000, 1001, 1001), (1000, 1000, 1000), (1001, 1002, 1002)],
)
def test_settlement_price_rounds_half_up(first, second, settlement_ticks):
    registry = world()
    books = settled(
        registry,
        f"""
        fund alice 100.00
        alice buys 1 A at {first} from bob
        alice buys 1 A at {second} from bob
        """,
    )
    assert instrument_days(books, registry.trading_day)[0].settlement_ticks == settlement_ticks


def test_settlement_price_rounds_down_below_the_half():
    registry = world()
    books = settled(
        registry,
        """
        fund alice 100.00
        alice buys 2 A at 1000 from bob
        alice buys 1 A at 1001 from bob
        """,
    )
    assert instrument_days(books, registry.trading_day)[0].settlement_ticks == 1000


def test_blocks_that_trade_with_each_other_do_not_move_the_settlement_price():
    registry = world()
    text = """
        fund alice 100.00
        fund carol 100.00
        block: carol buys 7 A at 700 from dave
        alice buys 1 A at 1010 from bob
        alice buys 1 A at 1020 from bob
        """
    books = settled(registry, text)
    assert instrument_days(books, registry.trading_day) == [
        InstrumentDay("A", 1, 3, 9, 7 * 700 + 2030, 1010, 1020, 1010, 1020, 1015)
    ]
    assert balances(books, "cash") == {  # each pays and gets its own price
        "cash:alice": 10_000 - 2030, "cash:bob": 2030, "cash:carol": 10_000 - 4900,
        "cash:dave": 4900,
    }  # fmt: skip
    assert audit(books) == []
    assert certificate(books) == []


def test_an_instrument_in_which_only_blocks_traded_keeps_its_price():
    books = memory_books()
    days = [
        ("2026-11-18", "fund alice 100.00\nblock: alice buys 2 A at 700 from bob", 1000),
        ("2026-11-19", "alice buys 1 A at 1100 from bob\nbob buys 3 A at 1100 from alice", 1100),
        ("2026-11-20", "block: alice buys 2 A at 700 from bob", 1100),
    ]  # the contract's reference, the day's price, and that once more though nobody held any
    for day, text, ticks in days:
        registry = world(day=day)
        settle(books, registry, events(registry, text), INPUT, deliver=False)
        assert [each.settlement_ticks for each in instrument_days(books, day)] == [ticks]
    (last,) = instrument_days(books, "2026-11-20")
    assert (last.trades, last.volume, last.turnover_fen) == (1, 2, 1400)
    assert (last.open_ticks, last.high_ticks, last.low_ticks, last.close_ticks) == (None,) * 4
    assert balances(books, "clearing") == {}
    assert balances(books, "escrow") == {"escrow:A": 2200}
    assert audit(books) == []
    assert certificate(books) == []


def test_a_block_that_is_busted_leaves_the_price_alone():
    registry = world()
    text = """
        fund alice 100.00
        block: alice buys 2 A at 700 from bob
        alice buys 1 A at 1010 from bob
        bust 1: alice buys 2 A at 700 from bob
        """
    books = settled(registry, text)
    (day,) = instrument_days(books, registry.trading_day)
    assert (day.trades, day.volume, day.settlement_ticks) == (1, 1, 1010)
    assert certificate(books) == []


def test_a_tick_of_ten_fen_multiplies_every_amount():
    books = settled(
        world(tick_fen=10),
        """
        fund alice 1000.00
        alice buys 3 A at 1000 from bob
        """,
    )
    assert balances(books, "cash") == {"cash:alice": 70000, "cash:bob": 30000}


def test_a_resale_through_three_owners_leaves_clearing_flat_and_pays_each_its_profit():
    books = settled(
        world("alice bob carol dave"),
        """
        fund bob 100.00
        fund carol 100.00
        fund dave 100.00
        bob buys 5 A at 1000 from alice fees 1 1
        carol buys 5 A at 1100 from bob fees 1 1
        dave buys 5 A at 900 from carol fees 1 1
        """,
    )
    # alice gets 5000 - 1; bob earns 500 - 2; carol loses 1000 + 2; dave pays 4500 + 1.
    assert balances(books) == {
        "bank": -30000, "cash:alice": 4999, "cash:bob": 10498, "cash:carol": 8998,
        "cash:dave": 5499, "fees": 6,
    }  # fmt: skip


def test_a_seller_that_resold_everything_pays_its_fee_at_settlement():
    books = settled(
        world(),
        """
        fund bob 100.00
        fund carol 100.00
        bob buys 5 A at 1000 from alice fees 1 2
        carol buys 5 A at 1000 from bob fees 1 2
        """,
    )
    assert postings(books, "fee") == [
        "fee: cash:bob -> fees 3",
        "fee: cash:carol -> fees 1",
        "fee: cash:alice -> fees 2",
    ]


def test_deposits_and_withdrawals_are_posted_one_by_one():
    books = settled(
        world(),
        """
        fund alice 100.00
        fund bob 50.00
        withdraw alice 30.01
        """,
    )
    assert postings(books) == [
        "deposit: bank -> cash:alice 10000",
        "deposit: bank -> cash:bob 5000",
        "withdrawal: cash:alice -> bank 3001",
    ]


def test_a_day_without_anything_is_settled_with_empty_batches():
    registry = world()
    result = settle(memory_books(), registry, events(registry, ""), INPUT)
    assert (result.batches, result.postings, result.trial_balance_fen) == ((1, 2), 0, 0)


def test_sellers_serve_buyers_in_the_order_of_accounts():
    books = settled(
        world(),
        """
        fund alice 100.00
        fund bob 100.00
        bob buys 4 A at 1000 from dave
        alice buys 3 A at 1000 from carol
        alice buys 2 A at 1000 from dave
        """,
    )
    assert books.rows(
        "SELECT substr(s.name, 6), substr(b.name, 6), delivered_millionths // 1000000 "
        "FROM deliveries JOIN agreements AS a ON a.id = agreement "
        "JOIN names AS s ON s.id = supplier JOIN names AS b ON b.id = buyer ORDER BY 1, 2"
    ) == [
        ("carol", "alice", 3),
        ("dave", "alice", 2),
        ("dave", "bob", 4),
    ]


def test_hours_of_one_day_and_contract_make_one_agreement_other_days_and_contracts_their_own():
    books = settled(
        world(),
        """
        fund alice 1000.00
        alice buys 1 D at 1000 from bob
        alice buys 2 A at 1000 from bob
        alice buys 3 B at 1000 from bob
        alice buys 4 C at 1000 from bob
        """,
    )
    query = (
        "SELECT substr(n.name, 10), delivery_day::VARCHAR, quantity, value_fen "
        "FROM agreements AS a "
        "JOIN names AS n ON n.id = contract ORDER BY a.id"
    )
    assert books.rows(query) == [
        ("P.CD", "2026-11-22", 1, 1000),
        ("H.QD", "2026-11-22", 5, 5000),
        ("H.QD", "2026-11-23", 4, 4000),
    ]


def test_parts_of_a_suppliers_fee_add_up_to_it():
    books = settled(
        world(),
        """
        fund alice 100.00
        fund bob 100.00
        fund carol 100.00
        alice buys 1 A at 1000 from dave fees 0 5
        bob buys 1 A at 1000 from dave fees 0 5
        carol buys 1 A at 1000 from dave fees 0 0
        """,
    )
    assert postings(books, "fee") == [
        "fee: cash:dave -> fees 3",
        "fee: cash:dave -> fees 3",
        "fee: cash:dave -> fees 4",
    ]


def test_settling_again_from_the_same_input_changes_nothing_and_says_so():
    registry = world()
    text = "fund alice 100.00\nalice buys 5 A at 1000 from bob fees 3 2"
    books = settled(registry, text)
    before = postings(books), books.rows("SELECT * FROM batches")
    again = settle(books, registry, iter(()), INPUT)
    assert again.already_settled
    assert (postings(books), books.rows("SELECT * FROM batches")) == before
    assert again.turnover_fen == 5000


def test_another_input_for_a_settled_day_is_refused_in_one_line():
    registry = world()
    books = settled(registry, "fund alice 100.00")
    with pytest.raises(
        InputDiffersError, match="2026-11-21 is settled from another input"
    ) as error:
        settle(books, registry, events(registry, "fund alice 1.00"), "cd" * 32)
    assert "\n" not in str(error.value)
    assert balances(books) == {"bank": -10000, "cash:alice": 10000}


def test_a_day_before_the_last_settled_one_is_refused():
    books = settled(world(day="2026-11-21"), "fund alice 100.00")
    with pytest.raises(DayOrderError, match="2026-11-20 comes too late"):
        settled(world(day="2026-11-20"), "fund alice 100.00", books=books)


def test_a_day_of_another_venue_is_refused():
    books = settled(world(day="2026-11-20"), "fund alice 100.00")
    with pytest.raises(InputError, match="these are the books of TEST, not of ELSEWHERE"):
        settled(msgspec.structs.replace(world(), venue="ELSEWHERE"), "", books=books)


def test_a_dry_run_returns_the_same_and_leaves_nothing():
    registry = world()
    text = "fund alice 100.00\nalice buys 5 A at 1000 from bob fees 3 2"
    books = memory_books()
    dry = settle(books, registry, events(registry, text), INPUT, dry_run=True)
    assert books.scalar("SELECT count(*) FROM postings") == 0
    wet = settle(books, registry, events(registry, text), INPUT)
    assert dry.dry_run
    assert (dry.sha256, dry.postings, dry.batches) == (wet.sha256, wet.postings, wet.batches)


def test_a_failure_in_the_middle_leaves_nothing():
    registry = world()
    books = memory_books()

    def fail(stage: str, done: int, total: int) -> None:
        if stage == "vouchers":
            raise RuntimeError("pulled the plug")

    with pytest.raises(RuntimeError):
        settle(books, registry, events(registry, "fund alice 1.00"), INPUT, progress=fail)
    for table in ("batches", "postings", "trades", "accounts"):
        assert books.scalar(f"SELECT count(*) FROM {table}") == 0


def test_events_may_come_in_any_number_of_parts():
    registry = world()
    whole = events(registry, "fund alice 100.00\nalice buys 5 A at 1000 from bob fees 3 2")
    one = settle(memory_books(), registry, whole, INPUT)
    many = settle(memory_books(), registry, (whole[k : k + 1] for k in range(len(whole))), INPUT)
    assert one == many


def test_a_position_is_carried_to_the_next_day_with_its_escrow_and_its_price():
    books = memory_books()
    first = world(day="2026-11-20")
    text = """
        fund alice 100.00
        fund bob 100.00
        alice buys 5 A at 1000 from carol fees 3 2
        """
    settle(books, first, events(first, text), INPUT, deliver=False)
    assert balances(books) == {
        "bank": -20000, "cash:alice": 4997, "cash:bob": 10000, "escrow:A": 5000, "fees": 3,
    }  # fmt: skip
    # The next day's price is 1100: alice's five lots gain 500, carol's lose them.
    second = world(day="2026-11-21")
    settle(
        books, second, events(second, "bob buys 1 A at 1100 from carol"), "cd" * 32, deliver=False
    )
    assert balances(books) == {
        "bank": -20000, "cash:alice": 4997, "cash:bob": 8900, "escrow:A": 6600, "fees": 3,
        "receivable:carol": -500,
    }  # fmt: skip
    third = world(day="2026-11-22")
    settle(books, third, events(third, ""), "ef" * 32)
    assert balances(books) == {
        "bank": -20000, "cash:alice": 4997, "cash:bob": 8900, "cash:carol": 6098, "fees": 5,
    }  # fmt: skip


def test_money_that_comes_in_pays_back_what_was_advanced():
    books = memory_books()
    first = world(day="2026-11-20")
    text = "fund alice 100.00\nalice buys 1 A at 1000 from bob\nalice buys 3 A at 1010 from carol"
    settle(books, first, events(first, text), INPUT, deliver=False)
    second = world(day="2026-11-21")
    settle(books, second, events(second, "fund bob 0.05"), "cd" * 32, deliver=False)
    assert balances(books, "receivable") == {"receivable:bob": -3}
    assert balances(books, "cash:bob") == {}


def test_accounts_and_instruments_that_the_registry_does_not_name_are_refused():
    known, larger = world("alice bob"), world("alice bob carol")
    with pytest.raises(InputError, match="account 3 has money-moving events"):
        settle(memory_books(), known, events(larger, "fund carol 1.00"), INPUT)
    day = events(known, "alice buys 1 D at 5 from bob")
    fewer = msgspec.structs.replace(known, instruments=known.instruments[:2])
    with pytest.raises(InputError, match="instrument 4 has money-moving events"):
        settle(memory_books(), fewer, day, INPUT)


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_fills_are_the_same_whatever_parts_the_events_come_in(size):
    registry = world()
    text = (
        "fund alice 100.00\nalice buys 1 A at 5 from bob\nbob buys 2 B at 7 from alice\n"
        "carol buys 3 A at 6 from bob"
    )
    day = events(registry, text)
    whole = read_fills(day, registry)
    parts = read_fills((day[k : k + size] for k in range(0, len(day), size)), registry)
    assert whole.trades["trade_id"].tolist() == [1, 2, 3]
    for name in ("trades", "busts", "transfers"):
        left, right = getattr(whole, name), getattr(parts, name)
        assert {k: v.tolist() for k, v in left.items()} == {k: v.tolist() for k, v in right.items()}
    day.flags.writeable = False
    assert read_fills(day, registry).trades["buyer"].tolist() == whole.trades["buyer"].tolist()


def test_a_fill_without_its_other_half_is_refused():
    registry = world()
    day = events(registry, "alice buys 1 A at 5 from bob")
    with pytest.raises(InputError, match="trade 1: its other half is missing"):
        settle(memory_books(), registry, day[:1], INPUT)
    day["price"][1] = 6
    with pytest.raises(InputError, match="trade 1: its two halves do not agree"):
        settle(memory_books(), registry, day, INPUT)


def test_an_amount_beyond_int64_is_refused_and_changes_nothing():
    registry = world(tick_fen=10**6)
    day = events(registry, "alice buys 2000000000 A at 2000000000 from bob")
    books = memory_books()
    with pytest.raises(InputError, match="does not fit 64 bits"):
        settle(books, registry, day, INPUT)
    assert books.scalar("SELECT count(*) FROM trades") == 0


def test_two_accounts_of_one_name_are_refused():
    registry = world("alice bob")
    twice = msgspec.structs.replace(
        registry, accounts=(*registry.accounts, msgspec.structs.replace(registry.accounts[0], id=3))
    )
    with pytest.raises(InputError, match="account 'alice' is there twice"):
        settle(memory_books(), twice, events(registry, ""), INPUT)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"trading_day": "22.11.2026"}, "trading day `22.11.2026` is not a date"),
        ({"hubs": ()}, "contract 'H.QD' names hub 'QD', which is not there"),
        ({"contracts": ()}, "instrument 'A' names contract 'H.QD', which is not there"),
        ({"firms": ()}, "account 'alice' names firm 1, which is not there"),
        (
            {"programmes": (programme("p", effective_from="soon"),)},
            "programme p: `soon` is not a date",
        ),
    ],
)
def test_a_registry_that_leads_nowhere_is_refused_and_changes_nothing(changes, rule):
    registry = msgspec.structs.replace(world(), **changes)
    books = memory_books()
    with pytest.raises(InputError, match=rule):
        settle(books, registry, events(registry, ""), INPUT)
    assert books.scalar("SELECT count(*) FROM firms") == 0


def test_a_registry_without_the_holder_of_a_position_is_refused():
    books = memory_books()
    first = world(day="2026-11-20")
    text = "fund alice 100.00\nalice buys 5 A at 1000 from bob"
    settle(books, first, events(first, text), INPUT, deliver=False)
    second = world("alice carol", day="2026-11-21")
    with pytest.raises(InputError, match="account 'bob' holds A"):
        settle(books, second, events(second, ""), "cd" * 32)


def test_a_day_that_is_not_settled_has_no_summary():
    with pytest.raises(LedgerError, match="2026-11-21 is not settled"):
        summarise(memory_books(), "2026-11-21")


def test_the_summary_adds_up_the_day():
    registry = world()
    books = settled(
        registry,
        """
        fund alice 100.00
        withdraw alice 1.00
        alice buys 5 A at 1000 from bob fees 3 2
        alice buys 1 B at 900 from bob fees 1 1
        """,
    )
    result = summarise(books, registry.trading_day)
    assert (
        result.trades, result.volume, result.turnover_fen, result.fees_fen, result.instruments,
        result.deposits_fen, result.withdrawals_fen, result.delivered_fen, result.agreements,
    ) == (2, 6, 5900, 7, 2, 10000, 100, 5900, 1)  # fmt: skip
    alice, bob, *_ = account_days(books, registry.trading_day)
    assert (alice.bought, alice.bought_fen, alice.fees_fen, alice.cash_fen) == (6, 5900, 4, 3996)
    assert (bob.sold, bob.sold_fen, bob.fees_fen, bob.cash_fen) == (6, 5900, 3, 5897)
    first = instrument_days(books, registry.trading_day, limit=1)
    assert [each.instrument for each in first] == ["A"]


def test_trial_balance_of_a_past_day_leaves_later_days_out():
    books = settled(world(day="2026-11-20"), "fund alice 100.00")
    settled(world(day="2026-11-21"), "withdraw alice 40.00", books=books)
    past = trial_balance(books, until="2026-11-20")
    assert {each.account: each.balance_fen for each in past.accounts} == {
        "bank": -10000, "cash:alice": 10000,
    }  # fmt: skip
    assert past.total_fen == 0
    assert balances(books, "cash") == {"cash:alice": 6000}


def test_half_of_a_trade_is_not_taken_from_a_view_that_the_machine_writes_over():
    registry = world()
    whole = events(registry, "fund alice 100.00\nalice buys 5 A at 1000 from bob fees 3 2")
    buffer = np.empty(1, dtype=whole.dtype)

    def reused():
        for k in range(len(whole)):
            buffer[:] = whole[k : k + 1]
            yield buffer

    assert settle(memory_books(), registry, reused(), INPUT).turnover_fen == 5000
