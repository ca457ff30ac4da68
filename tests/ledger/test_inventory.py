"""The inventory rule: what is registered fits what is installed, in every hour, hub and account."""

import itertools
from pathlib import Path

import msgspec
import numpy as np
import pytest

from ledger.books.database import create_books
from ledger.day_settlement import settle
from ledger.daylog import DayLogWriter, read_day_log
from ledger.daylog.registry import (
    Chip,
    Commitment,
    Contract,
    Instrument,
    Inventory,
    Registry,
    Session,
)
from ledger.delivery.inventory import RegisteredCapacity, has_inventory, inventory_breaches
from ledger.proof.verify import verify
from matching.records import COMMAND, EVENT, CommandFlag, CommandKind, EventKind
from matching.reference.engine import ReferenceEngine
from tests.ledger.test_day import LIMITS, day_commands
from tests.support.ledger_world import DAY_START_S, HOUR_S, world

HOURS = ("H", "A")
RULE = "GPU-hours + PFLOPS-days x 1000 / rating <= GPUs installed"


def chip(code: str, tflops: int) -> Chip:
    return Chip(code=code, vendor="", dense_fp16_tflops=tflops, confidence="high", source="")


def contract(code: str, *chips: str, product: str = "") -> Contract:
    product = product or ("gpu-hour" if code in HOURS else "pflops-day")
    return Contract(
        code=code, product=product, hub="QD", chips=chips, tick_fen=1, lot=1, reference_ticks=100,
        band_low_ticks=1, band_high_ticks=200, maker_fee_ppm=0, taker_fee_ppm=0, deposit_fen=0,
        gate_closure_s=HOUR_S,
    )  # type: ignore[arg-type]  # fmt: skip


def venue(*inventory: tuple[int, str, int], committed: tuple[Commitment, ...] = ()) -> Registry:
    """Two chips, H of 1,000 and A of 300 TFLOPS. Two hours and one day of every contract."""
    contracts = (
        contract("H", "H"), contract("A", "A"), contract("PH", "H"), contract("PA", "A"),
        contract("P", "H", "A"),
    )  # fmt: skip
    instruments = []
    for each in contracts:
        for start in (0, 1) if each.product == "gpu-hour" else (0,):
            start_s = DAY_START_S + start * HOUR_S
            length_s = HOUR_S if each.product == "gpu-hour" else 24 * HOUR_S
            number = len(instruments) + 1
            instruments.append(Instrument(
                id=number, symbol=f"{each.code}.{start}", contract=each.code,
                delivery_start_s=start_s, delivery_end_s=start_s + length_s, gate_s=start_s,
            ))  # fmt: skip
    return Registry(
        venue="V", trading_day="2026-11-21", note="", limits={},
        chips=(chip("H", 1_000), chip("A", 300)),
        contracts=contracts,
        instruments=tuple(instruments),
        inventory=tuple(
            Inventory(hub="QD", chip=of, account=account, gpus=gpus)
            for account, of, gpus in inventory
        ),
        committed=committed,
    )  # fmt: skip


def number(registry: Registry, symbol: str) -> int:
    return next(each.id for each in registry.instruments if each.symbol == symbol)


def registered(registry: Registry, *rows: tuple[int, str, int], flags: int = 0) -> np.ndarray:
    """REGISTERED events of (account, symbol, lots)."""
    events = np.zeros(len(rows), EVENT)
    events["kind"], events["flags"] = EventKind.REGISTERED, flags
    for at, (account, symbol, lots) in enumerate(rows):
        events[at]["account"], events[at]["quantity"] = account, lots
        events[at]["instrument"] = number(registry, symbol)
    return events


def room(registry: Registry, account: int, symbol: str, *rows: tuple[int, str, int]) -> int:
    capacity = RegisteredCapacity(registry)
    capacity.note(registered(registry, *rows))
    return capacity.room(account, number(registry, symbol)).lots


def test_gpu_hours_are_bounded_by_the_gpus_of_their_chip_in_each_hour_alone() -> None:
    registry = venue((1, "H", 10), (2, "H", 5))
    assert room(registry, 1, "H.0") == 10
    assert room(registry, 1, "H.0", (1, "H.0", 4), (2, "H.0", 5), (1, "H.1", 9)) == 6
    assert room(registry, 1, "H.0", (1, "H.0", 4), (1, "H.0", -3)) == 9
    assert room(registry, 1, "H.0", (1, "H.0", 12)) == -2


def test_an_account_or_a_chip_without_an_entry_has_nothing_installed() -> None:
    registry = venue((1, "H", 10))
    assert [room(registry, account, "H.0") for account in (1, 2)] == [10, 0]
    assert [room(registry, 1, symbol) for symbol in ("A.0", "PA.0", "P.0")] == [0, 0, 10]


def test_a_pflops_day_takes_its_gpus_in_every_hour_of_the_day() -> None:
    registry = venue((1, "H", 10), (1, "A", 10))
    assert room(registry, 1, "PH.0") == 10
    assert room(registry, 1, "PA.0") == 3
    assert room(registry, 1, "P.0") == 13
    assert room(registry, 1, "PH.0", (1, "H.1", 8)) == 2
    assert room(registry, 1, "H.0", (1, "PH.0", 4)) == 6
    assert room(registry, 1, "A.1", (1, "PA.0", 1)) == 6  # 300 x 10 - 1,000 = 2,000 TFLOPS left


def test_pflops_days_of_several_contracts_share_the_chips_that_each_may_use() -> None:
    registry = venue((1, "H", 10), (1, "A", 10))
    assert room(registry, 1, "PH.0", (1, "P.0", 8)) == 5  # 3 of P on A
    assert room(registry, 1, "P.0", (1, "PH.0", 10)) == 3
    assert room(registry, 1, "P.0", (1, "PA.0", 3)) == 10
    assert room(registry, 1, "H.0", (1, "P.0", 8)) == 5
    assert room(registry, 1, "H.0", (1, "P.0", 8), (1, "PH.0", 5)) == 0


def test_the_example_of_the_books() -> None:
    """The table of `ledger/BOOKS.md`, with GPUs of three chips."""
    ratings = {"H800": 989, "A100": 312, "ASCEND910B": 320}
    installed = {"H800": 420, "A100": 560, "ASCEND910B": 512}
    contracts = [contract(code, code, product="gpu-hour") for code in ratings]
    contracts.append(contract("PF16", *ratings))
    registry = msgspec.structs.replace(
        venue(),
        chips=tuple(chip(code, rating) for code, rating in ratings.items()),
        contracts=tuple(contracts),
        instruments=tuple(
            Instrument(
                id=at, symbol=each.code, contract=each.code, delivery_start_s=DAY_START_S,
                delivery_end_s=DAY_START_S + HOUR_S, gate_s=DAY_START_S,
            )
            for at, each in enumerate(contracts, 1)
        ),
        inventory=tuple(
            Inventory(hub="QD", chip=code, account=1, gpus=gpus)
            for code, gpus in installed.items()
        ),
    )  # fmt: skip
    rows: list[tuple[int, str, int]] = []
    assert [room(registry, 1, symbol, *rows) for symbol in ("H800", "PF16")] == [420, 753]
    rows = [(1, "H800", 50), (1, "A100", 67), (1, "ASCEND910B", 61)]
    assert [room(registry, 1, symbol, *rows) for symbol in ("H800", "PF16")] == [370, 664]
    rows.append((1, "PF16", 550))
    assert [room(registry, 1, symbol, *rows) for symbol in ("H800", "PF16")] == [115, 114]


def brute_force_fits(registry: Registry, lots: dict[str, int], h: int, a: int) -> bool:
    """Whether lots fit on `h` GPUs of H and `a` of A, by trying every split of P."""
    left_h = h * 1_000 - lots["H.0"] * 1_000
    left_a = a * 300 - lots["A.0"] * 300
    return min(left_h, left_a) >= 0 and any(
        lots["PH.0"] * 1_000 + on_h <= left_h
        and lots["PA.0"] * 1_000 + lots["P.0"] * 1_000 - on_h <= left_a
        for on_h in range(0, lots["P.0"] * 1_000 + 1, 100)
    )


@pytest.mark.parametrize("symbol", ["H.0", "A.0", "PH.0", "PA.0", "P.0"])
def test_the_room_is_what_a_search_over_all_splits_finds(symbol: str) -> None:
    h, a = 3, 7
    registry = venue((1, "H", h), (1, "A", a))
    symbols = ("H.0", "A.0", "PH.0", "PA.0", "P.0")
    for lots in itertools.product((0, 1, 2), (0, 3), (0, 1), (0, 1), (0, 1, 2)):
        before = dict(zip(symbols, lots, strict=True))
        if not brute_force_fits(registry, before, h, a):
            continue
        found = room(registry, 1, symbol, *((1, each, lots) for each, lots in before.items()))
        most = max(
            more
            for more in range(20)
            if brute_force_fits(registry, before | {symbol: before[symbol] + more}, h, a)
        )
        assert found == most, before


def test_the_order_of_registrations_does_not_matter() -> None:
    registry = venue((1, "H", 10), (1, "A", 10))
    rows = [(1, "H.0", 3), (1, "P.0", 5), (1, "PA.0", 1), (1, "H.1", 2), (1, "P.0", -1)]
    found = {
        tuple(room(registry, 1, each.symbol, *order) for each in registry.instruments)
        for order in itertools.permutations(rows)
    }
    assert len(found) == 1


def test_carried_positions_are_no_capacity() -> None:
    registry = venue((1, "H", 10))
    capacity = RegisteredCapacity(registry)
    capacity.note(registered(registry, (1, "H.0", 500), flags=CommandFlag.CARRIED))
    assert (capacity.room(1, 1).lots, capacity.breaches) == (10, [])


def test_lots_that_an_earlier_day_sold_take_their_gpus() -> None:
    day = {"delivery_start_s": DAY_START_S, "delivery_end_s": DAY_START_S + 24 * HOUR_S}
    sold = Commitment(account=1, contract="PH", lots=4, **day)
    registry = venue((1, "H", 10), committed=(sold,))
    assert [room(registry, account, "H.0") for account in (1, 2)] == [6, 0]
    assert room(registry, 1, "PH.0") == 6
    more = msgspec.structs.replace(sold, lots=11)
    assert len(RegisteredCapacity(venue((1, "H", 10), committed=(more,))).breaches) == 24


def test_an_instrument_that_the_registry_lists_later_counts_from_then_on() -> None:
    registry = venue((1, "H", 10))
    early = msgspec.structs.replace(registry, instruments=registry.instruments[:2])
    capacity = RegisteredCapacity(early)
    with pytest.raises(KeyError):
        capacity.room(1, number(registry, "PH.0"))
    capacity.use(registry)
    capacity.note(registered(registry, (1, "PH.0", 7)))
    assert capacity.room(1, 1).lots == 3


def test_a_breach_names_account_hub_hour_what_is_registered_and_what_is_installed() -> None:
    registry = venue((1, "H", 10), (1, "A", 10))
    rows = [(1, "H.1", 8), (1, "PH.0", 3), (1, "H.1", -2), (1, "H.1", 1)]
    assert inventory_breaches(registry, registered(registry, *rows)) == [
        "account 1 at QD, hour from 2026-11-22 01:00: 8 H, 3 PH registered, "
        f"10 A, 10 H installed; {RULE}"
    ]
    unknown = registered(registry, (1, "H.1", 8))
    unknown["instrument"] = 99
    assert inventory_breaches(registry, unknown) == [
        "instrument 99: 8 lots registered, but no registry lists it"
    ]


def test_commands_count_as_their_events_do() -> None:
    registry = venue((1, "H", 10))
    commands = np.zeros(1, COMMAND)
    commands["kind"], commands["account"], commands["quantity"] = CommandKind.REGISTER, 1, 11
    commands["instrument"] = 1
    events = registered(registry, (1, "H.0", 11))
    assert inventory_breaches(registry, commands) == inventory_breaches(registry, events) != []


def test_a_generated_day_without_inventory_has_no_rule_a_served_one_has() -> None:
    assert not has_inventory(venue())
    assert has_inventory(venue((1, "H", 1)))
    served = Session(id=1, name="operations", firm=0, operator=True, key="k" * 40)
    assert has_inventory(msgspec.structs.replace(venue(), sessions=(served,)))


@pytest.mark.parametrize(("gpus", "faults"), [(500, 0), (499, 54)])
def test_verification_finds_more_registered_than_installed(
    tmp_path: Path, gpus: int, faults: int
) -> None:
    """Each of two accounts registers 500 lots in every instrument of `ledger_world`."""
    registry = world(tick_fen=10)
    inventory = tuple(
        Inventory(hub=hub, chip="H800", account=account, gpus=gpus)
        for account in (3, 4)
        for hub in ("QD", "CD")
    )
    registry = msgspec.structs.replace(
        registry, limits=LIMITS.as_dict(), chips=(chip("H800", 1_000),), inventory=inventory
    )
    path, commands = tmp_path / "day.log", day_commands(seed=1, count=20)
    with DayLogWriter.create(path, venue="TEST", trading_day=registry.trading_day) as writer:
        writer.append_registry(registry)
        writer.append(commands)
        writer.seal(bytes(32))
    log = read_day_log(path)
    books_path = tmp_path / "books.duckdb"
    with create_books(books_path) as books:
        engine = ReferenceEngine(log.limits)
        settle(books, registry, map(engine.process, log.blocks()), log.sha256)
    found = verify(books_path, path, ReferenceEngine)
    assert len(found) == faults  # of each account one hour of A, B and C, and the day of D
    assert all(f"500 H.QD registered, {gpus} H800 installed" in each for each in found[::27])
