"""Generated days: the contents of a day of the trace, and the same bytes for the same seed."""

import hashlib
from collections import Counter
from datetime import date
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
import pytest

from exchange.days.engines import open_engine
from exchange.definition.calendar import DAY_S, day_start_s
from exchange.definition.command_drafts import (
    Handles,
    draft_cancels,
    draft_orders,
    join,
    number_commands,
    sort_by_time,
)
from exchange.definition.contracts import read_venue
from exchange.definition.members import read_members
from exchange.definition.offers import NothingToTrade
from exchange.definition.toml_file import BadFile
from exchange.flow.flow import build_philly_day, build_synthetic_day, write_day
from exchange.flow.jobs import COLUMNS, read_jobs
from exchange.flow.random_integers import SeededIntegers
from exchange.flow.synthetic import BadSize
from ledger.daylog import DayLogUnwritable, read_day_log
from ledger.daylog.registry import Registry
from ledger.delivery.inventory import inventory_breaches
from matching.limits import Limits
from matching.records import (
    COMMAND,
    NANOSECONDS,
    CommandKind,
    EventFlag,
    EventKind,
    OrderType,
    Reason,
    Side,
    TimeInForce,
)
from matching.rules import RULES

TRADING_DAY = date(2026, 11, 22)
START_NS = day_start_s(TRADING_DAY) * NANOSECONDS
END_NS = START_NS + DAY_S * NANOSECONDS

ALWAYS_REFUSED = {
    Reason.MALFORMED, Reason.UNKNOWN_SESSION, Reason.UNKNOWN_ACCOUNT, Reason.NOT_ENTITLED,
    Reason.ACCOUNT_HALTED, Reason.UNKNOWN_INSTRUMENT, Reason.PHASE, Reason.UNKNOWN_ORDER,
    Reason.DUPLICATE_REF, Reason.TIME_PAST, Reason.BAND, Reason.SIZE_LIMIT, Reason.NOTIONAL_LIMIT,
    Reason.POSITION_LIMIT, Reason.CAPACITY, Reason.DEPOSIT, Reason.FUNDS,
}  # fmt: skip


class Day(NamedTuple):
    registry: Registry
    commands: npt.NDArray[np.void]
    events: npt.NDArray[np.void]

    @property
    def buys(self) -> npt.NDArray[np.void]:
        """The buyers' fills."""
        filled = self.events[self.events["kind"] == EventKind.FILLED]
        bought: npt.NDArray[np.void] = filled[filled["side"] == Side.BUY]
        return bought

    def traded(self) -> set[str]:
        """The contracts that traded."""
        contract = {i.id: i.contract for i in self.registry.instruments}
        return {contract[int(number)] for number in np.unique(self.buys["instrument"])}


def run(registry: Registry, commands: npt.NDArray[np.void]) -> Day:
    machine = open_engine("kernel", Limits(**registry.limits))
    return Day(registry, commands, machine.process(commands).copy())


@pytest.fixture(scope="module")
def day() -> Day:
    return run(*build_philly_day())


@pytest.fixture(scope="module")
def synthetic() -> Day:
    return run(*build_synthetic_day(20_000))


def test_the_day_is_large_and_every_contract_trades(day: Day) -> None:
    assert len(day.commands) >= 50_000
    assert len(np.unique(day.buys["instrument"])) >= 200
    assert day.traded() == {contract.code for contract in day.registry.contracts}
    assert len(day.registry.instruments) == 12 * 71 + 3 * 2
    assert len(np.unique(day.buys["account"])) >= 15


def test_most_but_not_all_of_the_demand_is_filled(day: Day) -> None:
    buyers = [account.id for account in day.registry.accounts if account.role == "buyer"]
    asked = day.events[(day.events["kind"] == EventKind.ACCEPTED)]
    asked = asked[asked["side"] == Side.BUY]
    assert set(asked["account"]) <= set(buyers)
    hours = np.where(asked["flags"] & EventFlag.BLOCK, asked["hours"], 1).astype(np.int64)
    filled = int(day.buys["quantity"].sum()) / int((asked["quantity"] * hours).sum())
    assert 0.6 < filled < 0.9


def test_jobs_of_several_hours_are_blocks_that_trade_in_full_or_not_at_all(day: Day) -> None:
    wanted = (day.commands["hours"] > 0) & (day.commands["side"] == Side.BUY)
    jobs = read_jobs()
    several = (jobs.duration_s > 3_600).sum()
    assert 0.5 * several < wanted.sum() <= several
    assert day.commands["hours"][wanted].min() == 2
    fills = day.buys[day.buys["flags"] & EventFlag.BLOCK != 0]
    names = fills["session"].astype(np.int64) << 32 | fills["user_ref"]
    asked = day.events[day.events["flags"] & EventFlag.BLOCK != 0]
    asked = asked[asked["kind"] == EventKind.ACCEPTED]
    size = {
        int(row["session"]) << 32 | int(row["user_ref"]): int(row["quantity"]) * int(row["hours"])
        for row in asked
    }
    for name in np.unique(names):
        assert fills["quantity"][names == name].sum() == size[int(name)]
    assert 0.5 < len(np.unique(names)) / len(size) < 0.9


def test_every_reason_for_a_reject_occurs_and_rejects_are_rare(day: Day) -> None:
    rejected = day.events[day.events["kind"] == EventKind.REJECTED]
    reasons = Counter(Reason(int(reason)) for reason in rejected["reason"])
    assert set(reasons) == ALWAYS_REFUSED
    assert reasons.total() < len(day.commands) // 50


def test_no_administrative_command_is_rejected(day: Day) -> None:
    admin = day.commands["sequence"][day.commands["kind"] >= CommandKind.CLOCK]
    rejected = day.events["sequence"][day.events["kind"] == EventKind.REJECTED]
    assert not np.isin(rejected, admin).any()


def test_commands_are_numbered_without_gaps_and_stay_inside_the_day(day: Day) -> None:
    commands = day.commands
    assert commands.dtype == COMMAND
    assert np.array_equal(commands["sequence"], np.arange(1, len(commands) + 1))
    assert np.all(np.diff(commands["time_ns"]) >= 0)
    assert commands["time_ns"][0] == START_NS
    assert commands["time_ns"][-1] == END_NS
    assert commands["kind"][-1] == CommandKind.CLOCK


def test_refs_grow_within_a_session_except_where_an_order_is_sent_again(day: Day) -> None:
    refused = day.events[day.events["reason"] == Reason.DUPLICATE_REF]["sequence"]
    commands = day.commands[(day.commands["session"] > 0)]
    repeated = 0
    for session in np.unique(commands["session"]):
        refs = commands["user_ref"][commands["session"] == session].astype(np.int64)
        repeated += int((np.diff(np.maximum.accumulate(refs)) == 0).sum())
        assert refs.max() == len(np.unique(refs))
    assert len(refused) <= repeated <= 7


def test_orders_are_limit_orders_and_some_are_immediate(day: Day) -> None:
    new = day.commands[day.commands["kind"] == CommandKind.NEW]
    assert set(new["type"]) == {OrderType.LIMIT}
    lives = Counter(TimeInForce(int(tif)) for tif in new["tif"])
    assert set(lives) == {TimeInForce.DAY, TimeInForce.IOC, TimeInForce.GTD}
    assert lives[TimeInForce.IOC] > 500
    kinds = Counter(CommandKind(int(kind)) for kind in day.commands["kind"])
    assert kinds[CommandKind.CANCEL] > 5_000
    assert kinds[CommandKind.REPLACE] > 5_000


def test_the_clock_ticks_every_minute_to_the_end_of_the_day(day: Day) -> None:
    ticks = day.commands["time_ns"][day.commands["kind"] == CommandKind.CLOCK]
    assert np.array_equal(ticks, START_NS + np.arange(1, 1_441) * 60 * NANOSECONDS)


def test_no_order_is_open_at_the_end_of_the_day(day: Day) -> None:
    last: dict[tuple[int, int], int] = {}
    for event in day.events[(day.events["kind"] <= EventKind.REFRESHED)]:
        last[int(event["session"]), int(event["user_ref"])] = int(event["leaves"])
    assert sum(last.values()) == 0


def test_registered_capacity_stays_inside_the_inventory(day: Day) -> None:
    assert inventory_breaches(day.registry, day.commands) == []
    more = day.commands.copy()
    row = int(np.flatnonzero(more["kind"] == CommandKind.REGISTER)[0])
    more["quantity"][row] += 1_000
    breaches = inventory_breaches(day.registry, more)
    assert len(breaches) >= 1
    assert breaches[0].startswith("account 1 at QD, hour from ")


def test_pflops_days_use_gpus_in_every_hour_of_their_day(day: Day) -> None:
    more = day.commands.copy()
    days = {i.id for i in day.registry.instruments if i.contract.startswith("PF16")}
    registered = more["kind"] == CommandKind.REGISTER
    row = int(np.flatnonzero(registered & np.isin(more["instrument"], sorted(days)))[0])
    more["quantity"][row] *= 10
    breaches = inventory_breaches(day.registry, more)
    assert len(breaches) == 24
    assert "1,500 PF16.QD registered" in breaches[0]


def test_every_contract_has_two_suppliers_and_firms_are_of_many_kinds(day: Day) -> None:
    filled = day.events[day.events["kind"] == EventKind.FILLED]
    suppliers = {a.id for a in day.registry.accounts if a.role == "supplier"}
    sellers = filled[filled["side"] == Side.SELL]
    for contract in day.registry.contracts:
        numbers = [i.id for i in day.registry.instruments if i.contract == contract.code]
        of = set(sellers["account"][np.isin(sellers["instrument"], numbers)].tolist())
        assert len(of & suppliers) >= 2, contract.code
    resellers = set(sellers["account"].tolist()) - suppliers
    assert resellers, "no buyer resells"
    kinds = {firm.kind for firm in day.registry.firms}
    assert {"sme", "company", "university", "institute", "operator", "broker"} <= kinds


def test_prices_stay_around_the_published_ranges(day: Day) -> None:
    contract = {i.id: i.contract for i in day.registry.instruments}
    tick = {c.code: c.tick_fen for c in day.registry.contracts}
    paid: dict[str, list[int]] = {}
    for fill in day.buys:
        code = contract[int(fill["instrument"])]
        paid.setdefault(code.split(".")[0], []).append(int(fill["price"]) * tick[code])
    for class_, low, high in (
        ("H800", 900, 1_350), ("ASCEND910B", 220, 350), ("RTX4090", 400, 600),
        ("PF16", 16_500, 27_500),
    ):  # fmt: skip
        prices = np.array(paid[class_])
        assert np.mean((low <= prices) & (prices <= high)) > 0.95, class_


def test_the_note_lists_what_is_real_generated_and_cut(day: Day) -> None:
    for words in (
        "3730 jobs of 15 virtual clusters", "msr-fiddle/philly-traces", "CC-BY-4.0",
        "pkusys/ElasticFlow", "Prices, supply, chip classes, hubs, lead times", "seed 1", "Cut,",
    ):  # fmt: skip
        assert words in day.registry.note


def test_the_same_seed_gives_the_same_bytes_and_another_seed_another_day(day: Day) -> None:
    registry, commands = build_philly_day()
    assert registry == day.registry
    assert commands.tobytes() == day.commands.tobytes()
    _, other = build_philly_day(seed=2)
    assert other.tobytes() != commands.tobytes()


def test_few_cancels_come_after_the_end_of_their_order(day: Day) -> None:
    rejected = day.events[day.events["kind"] == EventKind.REJECTED]
    late = rejected[rejected["reason"] == Reason.UNKNOWN_ORDER]
    assert 7 <= len(late) <= 100


def test_another_day_has_other_instruments_and_the_same_jobs(day: Day) -> None:
    registry, commands = build_philly_day(trading_day=date(2027, 2, 28))
    assert registry.trading_day == "2027-02-28"
    assert registry.instruments[0].symbol == "A100.QD.2027022801"
    assert commands["time_ns"][0] == day_start_s(date(2027, 2, 28)) * NANOSECONDS
    assert len(commands) == pytest.approx(len(day.commands), rel=0.02)


def test_a_written_day_reads_back_whole_and_sealed_with_the_hash_of_its_events(
    day: Day, tmp_path: Path
) -> None:
    path = tmp_path / "day.log"
    tally = write_day(path, day.registry, day.commands)
    log = read_day_log(path)
    assert log.sealed
    assert log.registries == (msgspec.structs.replace(day.registry, rules=RULES),)
    assert log.command_count == len(day.commands)
    assert tally.sha256 == hashlib.sha256(day.events.tobytes()).digest()


def test_a_day_log_never_replaces_a_file(day: Day, tmp_path: Path) -> None:
    path = tmp_path / "day.log"
    path.write_bytes(b"mine")
    with pytest.raises(DayLogUnwritable, match="exists already"):
        write_day(path, day.registry, day.commands[:10])
    assert path.read_bytes() == b"mine"


def test_a_failed_write_leaves_no_file(day: Day, tmp_path: Path) -> None:
    path = tmp_path / "day.log"
    backwards = day.commands[:10][::-1].copy()
    with pytest.raises(ValueError, match="sequence must go on"):
        write_day(path, day.registry, backwards)
    assert not path.exists()


def trace(tmp_path: Path, *rows: str) -> Path:
    path = tmp_path / "jobs.csv"
    path.write_text("\n".join([",".join(COLUMNS), *rows]) + "\n")
    return path


def test_the_bundled_trace_is_the_busiest_day_and_the_four_rare_clusters() -> None:
    jobs = read_jobs()
    assert len(jobs) == 3_712 + 18
    assert len(jobs.clusters) == 15
    assert np.all(np.diff(jobs.arrival_s) >= 0)


def test_a_longer_trace_can_be_read_for_one_day(tmp_path: Path) -> None:
    path = trace(
        tmp_path, "2017-10-05 23:00:00,60.0,2,120.0,b", "2017-10-06 01:00:05,7200,1,7200,a"
    )
    jobs = read_jobs(path, date(2017, 10, 6))
    assert (len(jobs), jobs.clusters) == (1, ("a",))
    assert (int(jobs.arrival_s[0]), int(jobs.duration_s[0])) == (3_605, 7_200)
    with pytest.raises(BadFile, match="has no jobs on 2017-10-07"):
        read_jobs(path, date(2017, 10, 7))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("2017-10-05,1,1,1,a", "line 2: `timestamp` must be YYYY-MM-DD HH:MM:SS"),
        ("2017-10-05 00:00:00,x,1,1,a", "line 2: `duration` and `num_gpus` must be numbers"),
        ("2017-10-05 00:00:00,nan,1,1,a", "line 2: `duration` and `num_gpus` must be numbers"),
        ("2017-10-05 00:00:00,-1,1,1,a", "line 2: `duration` must be 0 to 34560000 s, got -1"),
        ("2017-10-05 00:00:00,1,0,1,a", "line 2: `num_gpus` must be 1 to 100000, got 0"),
        ("2017-10-05 00:00:00,1,1", "line 2: must have 5 fields, has 3"),
    ],
)
def test_a_bad_row_of_a_trace_is_named(tmp_path: Path, row: str, message: str) -> None:
    with pytest.raises(BadFile) as error:
        read_jobs(trace(tmp_path, row))
    assert message in str(error.value)


def test_a_file_that_is_not_a_trace_is_refused(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.csv.gz"
    wrong.write_bytes(b"not gzip")
    with pytest.raises(BadFile, match="cannot be read"):
        read_jobs(wrong)
    with pytest.raises(BadFile, match="cannot be read: No such file"):
        read_jobs(tmp_path / "missing.csv")
    wrong = tmp_path / "wrong.csv"
    wrong.write_text("a,b\n")
    with pytest.raises(BadFile, match="line 1: the columns must be timestamp"):
        read_jobs(wrong)


def test_one_job_of_an_unknown_cluster_makes_a_day(tmp_path: Path) -> None:
    jobs = read_jobs(trace(tmp_path, "2017-10-05 12:00:00,7200.0,3,0,unheard-of"))
    registry, commands = build_philly_day(jobs=jobs, engine="reference")
    buyers = {account.id for account in registry.accounts if account.role == "buyer"}
    new = commands[
        (commands["kind"] == CommandKind.NEW) & np.isin(commands["account"], list(buyers))
    ]
    regular = new[(new["quantity"] == 3) & (new["time_ns"] >= START_NS + 43_200 * NANOSECONDS)]
    assert regular["hours"].max() >= 2


def test_a_venue_without_supply_makes_no_market() -> None:
    members = read_members()
    without_supply = type(members)(
        firms=members.firms, accounts=members.accounts, sessions=members.sessions
    )
    with pytest.raises(NothingToTrade, match="no supplier has inventory"):
        build_philly_day(venue=read_venue(), members=without_supply, engine="reference")


def test_members_without_buyers_make_no_market() -> None:
    members = read_members()
    sellers = type(members)(
        firms=members.firms,
        accounts=members.suppliers,
        sessions=members.sessions,
        inventory=members.inventory,
    )
    with pytest.raises(NothingToTrade, match="no buyer's account"):
        build_philly_day(members=sellers, engine="reference")


def test_a_synthetic_day_rejects_only_late_cancels_and_trades_often(synthetic: Day) -> None:
    rejected = synthetic.events[synthetic.events["kind"] == EventKind.REJECTED]
    assert set(rejected["reason"]) == {Reason.UNKNOWN_ORDER}
    assert len(rejected) < 0.2 * 20_000
    takers = synthetic.events["kind"] == EventKind.FILLED
    takers &= synthetic.events["flags"] & EventFlag.TAKER != 0
    assert takers.sum() > 0.1 * 20_000
    kinds = Counter(CommandKind(int(kind)) for kind in synthetic.commands["kind"][-20_000:])
    assert set(kinds) == {
        CommandKind.NEW, CommandKind.CANCEL, CommandKind.REPLACE, CommandKind.CLOCK
    }  # fmt: skip
    assert len(np.unique(synthetic.buys["instrument"])) == 100


def test_a_synthetic_day_has_the_size_asked_for_and_is_the_same_for_a_seed() -> None:
    registry, commands = build_synthetic_day(3_000, seed=5, instruments=7, accounts=4)
    again = build_synthetic_day(3_000, seed=5, instruments=7, accounts=4)
    assert (registry, commands.tobytes()) == (again[0], again[1].tobytes())
    assert (len(registry.instruments), len(registry.accounts)) == (7, 4)
    assert (commands["sequence"] == np.arange(1, len(commands) + 1)).all()
    assert (commands["kind"] < CommandKind.LIST).sum() == 3_000


@pytest.mark.parametrize(
    ("commands", "instruments", "accounts", "message"),
    [
        (0, 9, 9, "commands must be 1 to"),
        (1, 9, 1, "accounts must be 2 to"),
        (1, 0, 9, "instruments must be 1 to"),
        (1, 1_000, 4_000, "accounts x instruments must be"),
    ],
)
def test_a_synthetic_day_of_an_impossible_size_is_refused(
    commands: int, instruments: int, accounts: int, message: str
) -> None:
    with pytest.raises(BadSize, match=message):
        build_synthetic_day(commands, instruments=instruments, accounts=accounts)


def test_a_draft_becomes_commands_with_refs_and_targets_by_session() -> None:
    handles = Handles()
    orders = draft_orders(
        handles, np.array([30, 10]), session=[1, 2], quantity=[3, 4], side=Side.BUY
    )
    cancels = draft_cancels(np.array([40, 40]), orders.handles, session=[1, 2])
    again = orders.select(np.array([True, False])).copy()
    again.commands["time_ns"] = 35
    again.targets[:] = orders.handles[0]
    commands = number_commands(sort_by_time(join([orders, cancels, again])))
    assert commands["time_ns"].tolist() == [10, 30, 35, 40, 40]
    assert commands["session"].tolist() == [2, 1, 1, 1, 2]
    assert commands["user_ref"].tolist() == [1, 1, 1, 2, 2]
    assert commands["target_ref"].tolist() == [0, 0, 0, 1, 1]


def test_seeded_integers_are_uniform_and_the_same_every_time() -> None:
    assert (
        SeededIntegers(7, "a").below(1_000, 4).tolist()
        != SeededIntegers(7, "b").below(1_000, 4).tolist()
    )
    counts = np.bincount(SeededIntegers(7, "c").below(6, 60_000), minlength=6)
    assert counts.min() > 9_500
    assert SeededIntegers(7, "d").between(-2, 2, 1_000).min() == -2
    shares = np.bincount(SeededIntegers(7, "e").pick([1, 0, 3], 40_000), minlength=3)
    assert shares[1] == 0
    assert 2.8 < shares[2] / shares[0] < 3.2
    assert (
        SeededIntegers(7, "f").below(1_000, 5).tolist()
        == SeededIntegers(7, "f").below(1_000, 5).tolist()
    )
