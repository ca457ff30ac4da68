"""Deliveries: full, partial, none, late, too much, repeated, unknown, in wrong units."""

import msgspec
import pytest

from ledger.books.database import memory_books
from ledger.books.errors import InputError, LedgerError
from ledger.books.queries import statements
from ledger.day_settlement import settle
from ledger.daylog.registry import Chip
from ledger.delivery.dispatch import claim, deliver, nominate
from ledger.delivery.dispatch_notices import notices
from ledger.delivery.meter_files import read_meterings
from ledger.proof.audit import audit
from tests.support.ledger_world import INPUT, balances, events, postings, programme, world

HEAD = "meter,agreement,instrument,unit,chip,gpus,available_s\n"
PROGRAMMES = (
    programme("p", funders={"city": 1, "district": 1}, compute_hubs=("QD",)),
    programme("q", model="reimburse", rate_bp=2000, compute_hubs=("CD",)),
)
DAY = "2026-11-22"


def registry_of(**contract):
    """A world whose chip is rated 500 TFLOPS, with contracts changed by the arguments."""
    registry = world(programmes=PROGRAMMES)
    chip = Chip(code="H800", vendor="x", dense_fp16_tflops=500, confidence="low", source="made up")
    contracts = tuple(msgspec.structs.replace(each, **contract) for each in registry.contracts)
    return msgspec.structs.replace(registry, chips=(chip,), contracts=contracts)


def nominated(text, **contract):
    registry = registry_of(**contract)
    books = memory_books()
    settle(books, registry, events(registry, text), INPUT, deliver=False)
    nominate(books, registry, DAY)
    assert audit(books) == []
    return books, registry


def metered(books, registry, tmp_path, text, **more):
    path = tmp_path / "meter.csv"
    path.write_text(HEAD + text)
    found = read_meterings(books, path)
    done = deliver(books, registry, DAY, found, **more)
    assert audit(books) == []
    return found, done


TRADES = """
fund alice 1000.00
fund bob 10.00
alice buys 5 A at 1000 from bob fees 3 2
"""


def test_a_delivery_in_full_pays_the_supplier_its_value_and_the_voucher_its_part(tmp_path):
    books, registry = nominated(TRADES)
    assert balances(books, "escrow") == {"escrow:A": 5000}
    metered(books, registry, tmp_path, "m1,1,A,gpu-hour,H800,5,3600\n")
    assert balances(books, "cash") == {
        "cash:alice": 100_000 - 5000 - 3 + 500, "cash:bob": 1000 + 5000 - 2,
    }  # fmt: skip
    assert balances(books, "escrow") == {}


def test_a_shortfall_refunds_buyer_and_voucher_in_proportion(tmp_path):
    books, registry = nominated(TRADES)
    # 4 GPUs for the whole hour and one for half of it: 4.5 of 5 lots.
    text = "m1,1,A,gpu-hour,H800,4,3600\nm2,1,A,gpu-hour,H800,1,1800\n"
    _, done = metered(books, registry, tmp_path, text)
    assert (done.value_fen, done.refund_fen, done.vouchers_fen) == (4500, 500, 450)
    assert postings(books, "refund", "voucher") == [
        "refund: escrow:A -> cash:alice 500",
        "voucher: pool:p:city -> cash:alice 225",
        "voucher: pool:p:district -> cash:alice 225",
    ]
    query = "SELECT state::VARCHAR, amount_fen FROM voucher_events ORDER BY voucher, turn"
    assert books.rows(query) == [
        ("reserved", 500), ("confirmed", 500),  # for the position, from the trade day on
        ("reserved", 500), ("reduced", 50), ("consumed", 450),
    ]  # fmt: skip


def test_a_penalty_comes_from_the_deposit_then_the_proceeds_then_is_owed(tmp_path):
    books, registry = nominated(TRADES, deposit_fen=100, penalty_bp=4000)
    assert balances(books, "guarantee") == {"guarantee:bob": 500}
    _, done = metered(books, registry, tmp_path, "")  # nothing came: 40% of 5000
    assert (done.refund_fen, done.penalty_fen) == (5000, 2000)
    assert postings(books, "penalty", "release", "advance") == [
        "penalty: guarantee:bob -> penalties 500",
        "penalty: cash:bob -> penalties 1500",
        "advance: receivable:bob -> cash:bob 1002",
    ]
    assert balances(books, "receivable") == {"receivable:bob": -1002}
    assert balances(books, "cash") == {"cash:alice": 100_000 - 3}


def test_a_penalty_within_the_deposit_releases_the_rest_of_it(tmp_path):
    books, registry = nominated(TRADES, deposit_fen=200, penalty_bp=1000)
    metered(books, registry, tmp_path, "m1,1,A,gpu-hour,H800,4,3600\n")  # one lot short: 100
    assert postings(books, "penalty", "release") == [
        "penalty: guarantee:bob -> penalties 100",
        "release: guarantee:bob -> cash:bob 900",
    ]


def test_more_than_was_sold_is_recorded_and_not_paid(tmp_path):
    books, registry = nominated(TRADES)
    _, done = metered(books, registry, tmp_path, "m1,1,A,gpu-hour,H800,8,3600\n")
    assert (done.value_fen, done.refund_fen) == (5000, 0)
    query = "SELECT delivered_millionths, excess_millionths, source::VARCHAR FROM deliveries"
    assert books.rows(query) == [(5_000_000, 3_000_000, "metered")]


def test_a_pflops_day_is_delivered_by_a_listed_chip_at_its_rating(tmp_path):
    books, registry = nominated("fund alice 1000.00\nalice buys 3 D at 1000 from bob")
    (notice,) = notices(books, DAY)
    assert notice["lines"][0]["chips"] == [{"chip": "H800", "dense_fp16_tflops": 500, "gpus": 6}]
    # Six GPUs of 0.5 PFLOPS for three quarters of the day: 2.25 PFLOPS-days.
    _, done = metered(books, registry, tmp_path, "m1,1,D,pflops-day,H800,6,64800\n")
    assert (done.value_fen, done.refund_fen) == (2250, 750)
    assert claim(books, registry) == (1, 450)  # 20% of what came
    assert audit(books) == []
    with pytest.raises(LedgerError, match="no claim waits"):
        claim(books, registry)


def test_a_chip_without_a_rating_makes_no_pflops_day(tmp_path):
    registry = msgspec.structs.replace(registry_of(), chips=())
    books = memory_books()
    text = "fund alice 1000.00\nalice buys 3 D at 1000 from bob\nalice buys 1 A at 900 from bob"
    settle(books, registry, events(registry, text), INPUT, deliver=False)
    nominate(books, registry, DAY)
    (notice,) = notices(books, DAY)
    assert {each["symbol"]: each["chips"] for each in notice["lines"]} == {
        "A": [{"chip": "H800", "dense_fp16_tflops": 0, "gpus": 1}], "D": [],
    }  # fmt: skip
    (agreement,) = {each["agreement"] for each in notice["lines"] if each["symbol"] == "D"}
    path = tmp_path / "meter.csv"
    path.write_text(f"{HEAD}m1,{agreement},D,pflops-day,H800,6,86400\n")
    (refused,) = read_meterings(books, path).refused
    assert refused.endswith("chip H800 has no rating, so it makes no D")


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("m1,1,Z,gpu-hour,H800,5,3600", "line 2: instrument 'Z' is not known"),
        ("m1,9,A,gpu-hour,H800,5,3600", "line 2: agreement 9 is not known"),
        ("m1,1,B,gpu-hour,H800,5,3600", "line 2: agreement 1 has nothing nominated in B"),
        ("m1,1,A,pflops-day,H800,5,3600", "A is in units of gpu-hour, got 'pflops-day'"),
        ("m1,1,A,gpu-hour,A100,5,3600", "A is not delivered by chip 'A100'"),
        ("m1,1,A,gpu-hour,H800,5,3601", "A lasts 3600 s, got 3601 of availability"),
        ("m1,1,A,gpu-hour,H800,5,3600000", "`available_s` must be at most 1000000"),
        ("m1,1,A,gpu-hour,H800,-5,3600", "`gpus` must be a whole number, not negative, got '-5'"),
        ("m1,1,A,gpu-hour,H800,1.5,3600", "`gpus` must be a whole number"),
        (",1,A,gpu-hour,H800,5,3600", "`meter` is empty"),
        (
            f"m1,{'9' * 5_000},A,gpu-hour,H800,5,3600",
            "`agreement` must be at most 9007199254740992",
        ),
        ("m1,\u0661,A,gpu-hour,H800,5,3600", "`agreement` must be a whole number"),
        ("m1,1,A,gpu-hour,H800,\u22125,3600", "`gpus` must be a whole number, not negative"),
        (
            "m1,1,A,gpu-hour,H800,5,3600\nm1,1,A,gpu-hour,H800,4,3600",
            "line 3: `m1` was metered before, differently",
        ),
    ],
)
def test_a_line_that_cannot_count_says_why(line, rule, tmp_path):
    books, _ = nominated(TRADES)
    path = tmp_path / "meter.csv"
    path.write_text(HEAD + line + "\n")
    (refused,) = read_meterings(books, path).refused
    assert refused.startswith("meter.csv: ")
    assert rule in refused


def test_the_same_line_twice_counts_once_and_again_in_a_later_file(tmp_path):
    books, registry = nominated(TRADES)
    line = "m1,1,A,gpu-hour,H800,5,3600\n"
    found, done = metered(books, registry, tmp_path, line * 2)
    assert found.repeated == ("meter.csv: line 3: `m1` again, counted once",)
    assert done.value_fen == 5000
    again = read_meterings(books, tmp_path / "meter.csv")
    assert (len(again.repeated), again.lines) == (2, ())


def test_what_is_metered_after_the_delivery_comes_too_late(tmp_path):
    books, registry = nominated(TRADES)
    metered(books, registry, tmp_path, "")
    (tmp_path / "late.csv").write_text(HEAD + "m1,1,A,gpu-hour,H800,5,3600\n")
    (refused,) = read_meterings(books, tmp_path / "late.csv").refused
    assert "is delivered already: this comes too late" in refused
    with pytest.raises(LedgerError, match="nothing is nominated for 2026-11-22"):
        deliver(books, registry, DAY, read_meterings(books, tmp_path / "late.csv"))


def test_a_file_that_is_no_meter_file_is_refused(tmp_path):
    books, _ = nominated(TRADES)
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match=r"x.csv: the column `meter` is missing"):
        read_meterings(books, tmp_path / "x.csv")
    for text, rule in (
        (HEAD.replace("chip", "meter"), "the column `meter` is there more than once"),
        (HEAD + f"m1,1,{'x' * 200_000},gpu-hour,H800,5,3600", "is no CSV: field larger than"),
        (HEAD.strip() + ",chain\nm1,1,A,gpu-hour,H800,5,3600,0", "line 1 must be `meter,"),
    ):
        (tmp_path / "x.csv").write_text(text)
        with pytest.raises(InputError, match=rule):
            read_meterings(books, tmp_path / "x.csv")
    with pytest.raises(InputError, match="No such file"):
        read_meterings(books, tmp_path / "none.csv")


def test_resale_through_three_owners_with_a_partial_shortfall_is_flat_every_day(tmp_path):
    books = memory_books()
    texts = (
        "fund bob 1000.00\nfund carol 1000.00\nfund dave 1000.00\nbob buys 5 A at 1000 from alice",
        "carol buys 5 A at 1100 from bob",
        "dave buys 5 A at 900 from carol",
    )
    for number, text in enumerate(texts):
        registry = msgspec.structs.replace(
            registry_of(penalty_bp=2000), trading_day=f"2026-11-{19 + number}"
        )
        settle(books, registry, events(registry, text), INPUT, deliver=False)
        assert balances(books, "clearing") == {}
        assert audit(books) == []
    nominate(books, registry, DAY)
    metered(books, registry, tmp_path, "m1,1,A,gpu-hour,H800,3,3600\n")
    assert balances(books, "clearing") == balances(books, "escrow") == {}
    # alice: 500 of differences, 3 x 900 delivered, less 20% of the 1800 that did not come.
    assert balances(books, "cash") == {
        "cash:alice": 500 + 2700 - 360, "cash:bob": 100_500, "cash:carol": 99_000,
        "cash:dave": 100_000 - 4500 + 1800 + 270,
    }  # fmt: skip


def test_a_dry_run_of_a_delivery_leaves_nothing(tmp_path):
    books, registry = nominated(TRADES)
    before = balances(books)
    path = tmp_path / "meter.csv"
    path.write_text(HEAD + "m1,1,A,gpu-hour,H800,5,3600\n")
    done = deliver(books, registry, DAY, read_meterings(books, path), dry_run=True)
    assert len(done.postings) > 3
    assert balances(books) == before


def test_a_day_that_is_not_the_last_settled_one_nominates_nothing():
    books, registry = nominated(TRADES)
    other = msgspec.structs.replace(registry, trading_day="2026-11-20")
    with pytest.raises(LedgerError, match="the last settled day is 2026-11-21, not 2026-11-20"):
        nominate(books, other, DAY)


def test_a_day_with_an_instrument_that_still_trades_is_not_nominated():
    registry = registry_of()
    late = [
        msgspec.structs.replace(each, gate_s=each.delivery_start_s) for each in registry.instruments
    ]
    registry = msgspec.structs.replace(registry, instruments=tuple(late))
    books = memory_books()
    settle(books, registry, events(registry, TRADES), INPUT, deliver=False)
    with pytest.raises(LedgerError, match="B still trades after 2026-11-21"):
        nominate(books, registry, DAY)


def claimed(tmp_path, **rules):
    """Books with a waiting claim of 20% of 3000, by a programme with these terms."""
    registry = registry_of()
    programmes = (PROGRAMMES[0], msgspec.structs.replace(PROGRAMMES[1], **rules))
    registry = msgspec.structs.replace(registry, programmes=programmes)
    books = memory_books()
    text = "fund alice 1000.00\nalice buys 3 D at 1000 from bob"
    settle(books, registry, events(registry, text), INPUT, deliver=False)
    nominate(books, registry, DAY)
    metered(books, registry, tmp_path, "m1,1,D,pflops-day,H800,6,86400\n")
    return books, registry


def states(books):
    return books.rows("SELECT state::VARCHAR, amount_fen FROM voucher_events ORDER BY turn")


@pytest.mark.parametrize(("day", "paid"), [("2026-11-29", 600), ("2026-11-30", 0)])
def test_a_claim_expires_after_the_programmes_days(day, paid, tmp_path):
    books, registry = claimed(tmp_path, claim_days_max=7)
    later = msgspec.structs.replace(registry, trading_day=day)
    settle(books, later, events(later, ""), "cd" * 32, deliver=False)
    assert claim(books, later) == (1, paid)
    assert states(books)[-1] == (("paid", 600) if paid else ("expired", 600))
    assert audit(books) == []


def test_parties_that_have_become_related_are_paid_nothing_at_redemption(tmp_path):
    books, registry = claimed(tmp_path)
    firms = tuple(msgspec.structs.replace(each, group=5) for each in registry.firms)
    later = msgspec.structs.replace(registry, trading_day="2026-11-23", firms=firms)
    settle(books, later, events(later, ""), "cd" * 32, deliver=False)
    assert claim(books, later) == (1, 0)
    assert states(books) == [("claimed", 600), ("rejected", 600)]
    assert audit(books) == []


TWO_HOURS = """
fund alice 1000.00
alice buys 5 A at 1000 from bob
alice buys 5 B at 1000 from bob
alice buys 3 D at 1000 from bob
"""  # agreement 1 has two hours, agreement 2 a day


def test_an_hour_that_arrives_later_waits_for_nothing_else_and_nothing_is_lost(tmp_path):
    books, registry = nominated(TWO_HOURS)
    text = "m1,1,A,gpu-hour,H800,5,3600\nm2,2,D,pflops-day,H800,6,86400\n"
    _, done = metered(books, registry, tmp_path, text, part=True)
    assert (done.lines, done.metered, done.value_fen) == (1, 2, 3000)
    assert balances(books, "escrow") == {"escrow:A": 5000, "escrow:B": 5000}
    text = "m1,1,A,gpu-hour,H800,5,3600\nm3,1,B,gpu-hour,H800,4,3600\n"  # m1 stands in both files
    found, done = metered(books, registry, tmp_path, text, part=True)
    assert (len(found.repeated), done.lines, done.metered) == (1, 2, 1)
    assert (done.value_fen, done.refund_fen, done.vouchers_fen) == (9000, 1000, 900)
    assert balances(books, "escrow") == {}


def test_what_never_arrives_is_refunded_when_the_day_is_ended(tmp_path):
    books, registry = nominated(TWO_HOURS)
    metered(books, registry, tmp_path, "m1,1,A,gpu-hour,H800,5,3600\n", part=True)
    assert sum(balances(books, "escrow").values()) == 13_000
    _, done = metered(books, registry, tmp_path, "")
    assert (done.lines, done.value_fen, done.refund_fen) == (3, 5000, 8000)


def test_a_part_of_which_nothing_is_whole_posts_nothing_and_keeps_what_was_metered(tmp_path):
    books, registry = nominated(TWO_HOURS)
    _, done = metered(books, registry, tmp_path, "m1,1,A,gpu-hour,H800,5,3600\n", part=True)
    assert (done.lines, done.postings) == (0, ())
    assert books.scalar("SELECT count(*) FROM meterings") == 1


def test_a_nomination_a_claim_and_a_delivery_say_what_they_would_post(tmp_path):
    registry = registry_of()
    books = memory_books()
    settle(books, registry, events(registry, TWO_HOURS), INPUT, deliver=False)
    said = []
    assert nominate(books, registry, DAY, dry_run=True, lines=said) == 2
    assert said == [
        (1, "alice", "bob", "A", 5, 5000), (1, "alice", "bob", "B", 5, 5000),
        (2, "alice", "bob", "D", 3, 3000),
    ]  # fmt: skip
    assert books.scalar("SELECT count(*) FROM agreements") == 0
    nominate(books, registry, DAY)
    metered(books, registry, tmp_path, "m1,2,D,pflops-day,H800,6,86400\n")
    lines = []
    assert claim(books, registry, dry_run=True, lines=lines) == (1, 600)
    assert [line[2:] for line in lines] == [("claim", "pool:q:city", "cash:alice", "", 600)]
    assert postings(books, "claim") == []
    told = []
    claim(books, registry, progress=lambda *step: told.append(step))
    assert told == [("claims", 0, 2), ("hashes", 1, 2)]


def test_a_wrong_day_nominates_nothing_and_says_what_is_open():
    registry = registry_of()
    books = memory_books()
    settle(books, registry, events(registry, TRADES), INPUT, deliver=False)
    before = books.scalar("SELECT count(*) FROM batches")
    what = "no open position is delivered on 2026-11-21; what is open is delivered on 2026-11-22"
    with pytest.raises(LedgerError, match=what):
        nominate(books, registry, "2026-11-21")
    assert books.scalar("SELECT count(*) FROM batches") == before
    nominate(books, registry, DAY)
    with pytest.raises(LedgerError, match="delivered on 2026-11-22; nothing is open"):
        nominate(books, registry, DAY)


def test_what_was_sold_in_an_instrument_that_is_no_longer_listed_is_nominated(tmp_path):
    """Its position stayed open, and its money in escrow, for ever."""
    registry = registry_of()
    books = memory_books()
    settle(books, registry, events(registry, TRADES), INPUT, deliver=False)
    later = [each for each in registry.instruments if each.symbol != "A"]
    later = msgspec.structs.replace(
        registry, trading_day="2026-11-23", instruments=tuple(later)
    )  # fmt: skip
    settle(books, later, events(later, ""), "cd" * 32, deliver=False)
    assert nominate(books, later, DAY) == 1
    metered(books, later, tmp_path, "m1,1,A,gpu-hour,H800,5,3600\n")
    assert balances(books, "escrow") == {}


def test_money_in_escrow_after_its_time_is_listed_with_its_reason(tmp_path):
    registry = registry_of()
    books = memory_books()
    settle(books, registry, events(registry, TRADES), INPUT, deliver=False)

    def overdue(day):
        return books.rows(statements("status")["overdue"], {"day": day})

    assert overdue(DAY) == []
    assert overdue("2026-11-23") == [(DAY, "not nominated", 5, 5000)]
    nominate(books, registry, DAY)
    assert overdue("2026-11-23") == [(DAY, "not metered", 5, 5000)]
    metered(books, registry, tmp_path, "m1,1,A,gpu-hour,H800,5,3600\n")
    assert overdue("2026-11-23") == []
