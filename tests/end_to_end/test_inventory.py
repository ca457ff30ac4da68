"""Capacity on a served venue: an operator registers what is installed, and no more.

Account 1 has 420 H800, 560 A100 and 512 ASCEND910B installed at QD. The venue registers 50 H800 in
each hour and 150 PFLOPS-days in each day at its opening.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from exchange.cli import run
from exchange.definition.members import DEMO_PATH
from feeds.client import Client
from feeds.protocol import commands
from feeds.protocol.errors import FrameRefused
from feeds.protocol.messages import (
    CapacityRegistered,
    ListInstrument,
    RefusalReason,
    RegisterCapacity,
)
from ledger.daylog import read_day_log
from ledger.delivery.inventory import RULE, inventory_breaches
from matching.records import CommandFlag, CommandKind, EventKind, Side
from tests.end_to_end.test_days import close_and_settle, config, log_of, start_error
from tests.support.venue_process import World

ACCOUNT, OTHER = 1, 10  # a supplier's with GPUs at QD, a buyer's
HOUR, DAY = "H800.QD.2026112218", "PF16.QD.20261123"
LEFT = 370


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path, days=3)
    world.start()
    yield world
    world.end()


def register(
    operator: Client, instrument: int | str, quantity: int, account: int = ACCOUNT
) -> CapacityRegistered:
    number = operator.instrument(instrument) if isinstance(instrument, str) else instrument
    asked = RegisterCapacity(account=account, instrument=number, quantity=quantity)
    answer = operator.request(asked)
    assert isinstance(answer, CapacityRegistered)
    return answer


def refusal(
    operator: Client, instrument: int | str, quantity: int, account: int = ACCOUNT
) -> tuple[RefusalReason, str]:
    with pytest.raises(FrameRefused) as caught:
        register(operator, instrument, quantity, account)
    return caught.value.reason, caught.value.refusal.text


def left(operator: Client, instrument: str) -> int:
    """Lots that may still be registered, as the refusal of far too many says."""
    reason, text = refusal(operator, instrument, 1_000_000)
    assert reason == RefusalReason.INVENTORY
    return int(text.partition(" asked for, ")[2].partition(" left")[0].replace(",", ""))


def asked_for(world: World) -> list[tuple[int, int]]:
    """Instrument and lots of each REGISTER in the log that an operator asked for."""
    logged = world.log().commands()
    chosen = logged[(logged["kind"] == CommandKind.REGISTER) & (logged["session"] > 0)]
    return list(zip(chosen["instrument"].tolist(), chosen["quantity"].tolist(), strict=True))


def drop_clients(world: World) -> None:
    while world.clients:
        world.clients.pop().close()


def settle_and_verify(world: World) -> None:
    assert run(["verify", close_and_settle(world)]) == 0


def test_more_than_is_installed_is_refused_before_it_is_logged(world: World) -> None:
    operator = world.operator()
    number = operator.instrument(HOUR)
    assert refusal(operator, HOUR, 1_000_000) == (
        RefusalReason.INVENTORY,
        f"1,000,000 lots of {HOUR} asked for, {LEFT} left: account 1 at QD, hour from "
        "2026-11-22 18:00: 67 A100.QD, 61 ASCEND910B.QD, 50 H800.QD registered, "
        f"560 A100, 512 ASCEND910B, 420 H800 installed; {RULE}",
    )
    assert asked_for(world) == []
    assert refusal(operator, HOUR, LEFT + 1)[0] == RefusalReason.INVENTORY
    done = register(operator, HOUR, LEFT)
    assert (done.account, done.instrument, done.quantity, done.registered) == (1, number, 370, 420)
    assert refusal(operator, HOUR, 1)[0] == RefusalReason.INVENTORY
    assert register(operator, HOUR, -20).registered == 400
    assert refusal(operator, HOUR, 21)[0] == RefusalReason.INVENTORY
    assert register(operator, HOUR, 20).registered == 420
    assert asked_for(world) == [(number, LEFT), (number, -20), (number, 20)]
    settle_and_verify(world)


def test_an_operator_is_sent_the_report_and_can_sell_what_was_registered(world: World) -> None:
    operator, seller = world.operator(), world.client("coast-1")
    done = register(operator, HOUR, 7)
    report = next(r for r in operator.reports(5) if r.kind == EventKind.REGISTERED)
    assert (report.cl_ord_id, report.sequence, report.leaves_qty) == (0, done.sequence, 57)
    price = world.price()
    seller.orders.new(ACCOUNT, done.instrument, Side.SELL, 57, price)
    reason, text = refusal(operator, HOUR, -1)
    assert (reason, "CAPACITY" in text) == (RefusalReason.REJECTED, True)
    assert refusal(operator, HOUR, 0)[0] == RefusalReason.REJECTED
    assert register(operator, HOUR, LEFT - 7).registered == 420  # a rejection counts nothing


def test_no_frame_of_commands_registers_anything(world: World) -> None:
    """Neither from an operator nor from a member, with the flag CARRIED or without."""
    operator, seller = world.operator(), world.client("coast-1")
    number = operator.instrument(HOUR)
    fields = {"account": ACCOUNT, "instrument": number, "quantity": 1}
    carried = {"seller": 2, "flags": CommandFlag.CARRIED}
    for more in ({}, carried):
        for client in (operator, seller):
            with pytest.raises(FrameRefused) as caught:
                client.ask(commands.command(CommandKind.REGISTER, **fields, **more))
            assert caught.value.reason == RefusalReason.NOT_ENTITLED
    with pytest.raises(FrameRefused) as caught:
        register(seller, number, 1)
    assert caught.value.reason == RefusalReason.NOT_ENTITLED
    assert asked_for(world) == []


def test_accounts_without_an_entry_and_unknown_names_are_refused(world: World) -> None:
    operator = world.operator()
    reason, text = refusal(operator, HOUR, 1, account=OTHER)
    assert (reason, "nothing registered, nothing installed" in text) == (
        RefusalReason.INVENTORY, True,
    )  # fmt: skip
    assert refusal(operator, HOUR, 1, account=7)[0] == RefusalReason.INVENTORY  # of another hub
    for account, instrument, what in ((999, HOUR, "account 999"), (ACCOUNT, 9_999, "instrument")):
        reason, text = refusal(operator, instrument, 1, account)
        assert (reason, what in text) == (RefusalReason.UNKNOWN, True)
    for quantity in (2**30 + 1, -(2**30) - 1, 2**40):
        reason, _ = refusal(operator, HOUR, quantity)
        assert reason == RefusalReason.BAD_MESSAGE
    # An instrument that an operator lists past the venue is in no registry.
    number = len(world.registry.instruments) + 1
    fields = {"instrument": number, "price": 100, "quantity": 1}
    operator.ask(commands.command(CommandKind.LIST, **fields))
    assert refusal(operator, number, 1)[0] == RefusalReason.UNKNOWN
    assert asked_for(world) == []


def test_hours_and_days_share_the_gpus_also_of_instruments_listed_during_the_day(
    world: World,
) -> None:
    operator = world.operator()
    before = left(operator, DAY)
    hours = f"{HOUR[:-4]}2307"  # one hour of the PFLOPS-day
    register(operator, hours, 100)
    assert left(operator, DAY) == before - 99  # 100 H800 of 989 TFLOPS
    register(operator, DAY, before - 99)
    assert left(operator, hours) == 0
    assert left(operator, f"{HOUR[:-4]}2308") == 100
    late_hour, late_day = "H800.QD.2026113007", "PF16.QD.20261130"
    for symbol in (late_hour, late_day):
        operator.request(ListInstrument(symbol=symbol))
    most = 420 * 989 + 560 * 312 + 512 * 320
    assert (left(operator, late_hour), left(operator, late_day)) == (420, most // 1_000)
    register(operator, late_day, most // 1_000)
    assert left(operator, late_hour) == 0
    settle_and_verify(world)


def test_what_is_left_is_the_same_after_kill_9(world: World) -> None:
    operator = world.operator()
    register(operator, HOUR, 300)
    register(operator, HOUR, -50)
    operator.request(ListInstrument(symbol="PF16.QD.20261130"))
    register(operator, "PF16.QD.20261130", 11)
    symbols = (HOUR, DAY, "PF16.QD.20261130")
    before = [left(operator, symbol) for symbol in symbols]
    world.kill()
    drop_clients(world)
    world.start()
    operator = world.operator()
    assert [left(operator, symbol) for symbol in symbols] == before
    assert before[0] == LEFT - 250
    register(operator, HOUR, before[0])
    assert left(operator, HOUR) == 0


def test_a_terminal_shows_what_is_registered_and_why_not(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ("--connection", str(world.folder / "venue" / "connection.toml"))
    words = ["admin", "register", "1", HOUR]
    key = ("--key", str(world.secret("operations")))
    capsys.readouterr()
    assert run([*words, "7", *where, *key]) == 0
    assert capsys.readouterr().out == f"account 1 has 57 lots of {HOUR} registered\n"
    assert run([*words, "3", *where, *key, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["registered"] == 60
    assert run([*words, "1000000", *where, *key]) == 4
    err = capsys.readouterr().err
    assert err.startswith(f"suanshi: INVENTORY: 1,000,000 lots of {HOUR} asked for, 360 left: ")
    assert err.count("\n") == 1


def sell_a_pflops_day(world: World, lots: int) -> None:
    buyer, seller = world.client("east-1"), world.client("coast-1")
    number = buyer.instrument(DAY)
    price = next(c.reference_ticks for c in world.registry.contracts if c.code == "PF16.QD")
    buyer.orders.new(world.account(), number, Side.BUY, lots, price)
    seller.orders.new(ACCOUNT, number, Side.SELL, lots, price)
    assert any(r.kind == EventKind.FILLED for r in seller.reports(5))


def test_the_next_day_counts_what_was_sold_of_a_day_whose_gate_has_closed(world: World) -> None:
    """The PFLOPS-day's gate closes before midnight; hours of the same day trade on."""
    config(world)
    sell_a_pflops_day(world, 40)
    operator = world.operator()
    register(operator, DAY, 400)
    hour = "H800.QD.2026112312"
    assert left(operator, hour) == 115  # of 664 PFLOPS beside the GPU-hours, 550 are registered
    late = "H800.QD.2026112507"  # all of it, by hand: the next day lists PF16.QD.20261125
    operator.request(ListInstrument(symbol=late))
    register(operator, late, left(operator, late))
    close_and_settle(world)
    world.clock = "2026-11-23T09:00*1"
    world.start()
    log = read_day_log(log_of(world, "2026-11-23"), unsealed=True)
    (sold,) = log.registry.committed
    assert (sold.account, sold.contract, sold.lots) == (ACCOUNT, "PF16.QD", 40)
    assert inventory_breaches(log.registry, log.commands()) == []
    operator = world.operator()
    register(operator, hour, 370)
    register(operator, "A100.QD.2026112312", 493)
    last = "ASCEND910B.QD.2026112312"  # 451 of 320 TFLOPS, and 40 PFLOPS are sold
    assert left(operator, last) == (451 * 320 - 40_000) // 320
    world.kill()
    drop_clients(world)
    world.start()
    assert left(world.operator(), last) == (451 * 320 - 40_000) // 320
    sealed = close_and_settle(world)
    assert run(["verify", sealed]) == 0


def test_a_day_does_not_open_with_less_installed_than_was_registered(world: World) -> None:
    close_and_settle(world)
    members = world.folder / "members.toml"
    text = DEMO_PATH.read_text(encoding="utf-8")
    entry = 'hub = "QD"\nchip = "H800"\naccount = 1\ngpus = 420\n'
    assert entry in text
    members.write_text(text.replace(entry, entry.replace("420", "49")), encoding="utf-8")
    config(world, 'members = "members.toml"\n')
    error = start_error(world)
    assert error.count("50 H800.QD") == error.count("49 H800 installed") == 1
    assert "keep the members' [[inventory]]" in error
    assert not log_of(world, "2026-11-23").exists()
    members.write_text(text.replace(entry, entry.replace("420", "240")), encoding="utf-8")
    world.start()
    assert left(world.operator(), "H800.QD.2026112407") == 190
