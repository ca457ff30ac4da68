"""Commands that connect to a venue, and the asynchronous client."""

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from textual.widgets import DataTable

from exchange.cli import run
from exchange.screen.screen import Screen
from feeds.client import connect_async
from feeds.protocol.errors import OrderRejected
from matching.records import CommandKind, EventKind, Phase, Reason, SelfTradePrevention, Side
from tests.support.venue_process import MEMBERS, World

Outcome = tuple[int, str, str]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("cli")).start()
    yield world
    world.end()


def call(
    world: World, capsys: pytest.CaptureFixture[str], *words: object, key: str = "east-1"
) -> Outcome:
    connection = str(world.folder / "venue" / "connection.toml")
    code = run([*map(str, words), "--connection", connection, "--key", str(world.secret(key))])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_the_trade_commands_place_replace_cancel_and_watch(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    symbol, price, account = world.instrument().symbol, world.price(), world.account()
    where = ("--account", account, "--price", price, "--json")
    code, out, _ = call(world, capsys, "trade", "place", "buy", 4, symbol, *where)
    placed = json.loads(out)
    assert (code, placed["kind"], placed["leaves_qty"]) == (0, "ACCEPTED", 4)
    ref = placed["cl_ord_id"]
    _, out, _ = call(world, capsys, "trade", "book", symbol, "--json")
    assert json.loads(out)["bids"] == [[price, 4, 1]]
    code, out, _ = call(world, capsys, "trade", "replace", ref, 3)
    assert (code, "replaced" in out, "leaves 3" in out) == (0, True, True)
    code, out, _ = call(world, capsys, "trade", "cancel", ref)
    assert (code, "cancelled" in out) == (0, True)
    code, _, err = call(world, capsys, "trade", "cancel", ref)
    assert (code, err.count("\n")) == (4, 1)
    assert err.startswith(f"suanshi: order {ref + 3}: UNKNOWN_ORDER: the session has no live order")
    assert "(refusal 8 of the machine's rules)" in err
    code, out, _ = call(world, capsys, "trade", "watch", "--from", 1, "--seconds", 0.3, "--json")
    kinds = [json.loads(line)["kind"] for line in out.splitlines()]
    assert kinds == ["ACCEPTED", "REPLACED", "CANCELLED", "REJECTED"]
    until = ("--tif", "gtd", "--until", "00:01", "--stp", "oldest")
    code, _, err = call(world, capsys, "trade", "place", "buy", 4, symbol, *where, *until)
    assert (code, "TIME_PAST" in err) == (4, True)


def test_the_admin_commands_change_the_venue(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    def operate(*words: object) -> Outcome:
        return call(world, capsys, "admin", *words, key="operations")

    account, symbol = world.account(), world.instrument(1).symbol
    assert operate("fund", account, 500)[0] == 0
    code, _, err = operate("withdraw", account, 200)
    assert (code, f"Pay 2.00 CNY out of account {account}? Say --yes" in err) == (2, True)
    code, out, _ = operate("withdraw", account, 200, "--yes")
    assert (code, out) == (0, f"2.00 CNY are paid out of account {account}\n")
    supplier = world.account("coast-1", "supplier")
    assert operate("register", supplier, symbol, 7)[0] == 0
    code, out, _ = operate("register", supplier, symbol, -7)
    assert (code, "lots of" in out) == (0, True)
    code, _, err = operate("register", account, symbol, 7)
    assert (code, "INVENTORY: 7 lots" in err) == (4, True)
    assert operate("phase", symbol, "halted")[0] == 0
    code, out, _ = operate("list", "PF16.QD.20261130", "--json")
    assert (code, json.loads(out)["symbol"]) == (0, "PF16.QD.20261130")
    code, _, err = operate("list", "PF16.QD.20261130")
    assert (code, "listed already" in err) == (4, True)
    assert operate("halt", account)[0] == 2
    assert operate("halt", account, "--yes")[0] == 0
    code, out, _ = operate("halt", account, "--resume")
    assert (code, out) == (0, f"account {account} is resumed\n")
    assert operate("halt", "firm:1", "--json", "--yes")[0] == 0
    assert operate("halt", "firm:1", "--resume", "--json")[0] == 0
    code, _, err = operate("halt", "firm:99", "--yes")
    assert (code, "there is no firm 99" in err) == (4, True)
    code, _, err = operate("bust-trade", symbol, 1, "--yes")
    assert (code, "the day has no trade 1" in err) == (4, True)
    assert operate("halt", "session:west-2", "--yes")[0] == 0
    code, out, _ = operate("status", "--json")
    assert json.loads(out)["sessions"] == ["operations"]
    commands = world.log().commands()
    halted = commands["account"][commands["kind"] == CommandKind.HALT_ACCOUNT].tolist()
    of_firm = [a.id for a in MEMBERS.accounts if a.member == 1]
    assert halted == [account, account, *of_firm, *of_firm]
    logged = {CommandKind(kind).name for kind in set(commands["kind"].tolist())}
    assert {"FUND", "WITHDRAW", "REGISTER", "PHASE", "LIST", "HALT_ACCOUNT"} <= logged


def test_an_operator_changes_many_instruments_at_once(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    def operate(*words: object) -> Outcome:
        return call(world, capsys, "admin", *words, key="operations")

    def changed() -> Counter[tuple[int, int]]:
        """The phase and the time of each PHASE in the log."""
        commands = world.log().commands()
        rows = commands[(commands["kind"] == CommandKind.PHASE) & (commands["session"] > 0)]
        return Counter(rows[["type", "expiry_s"]].tolist())

    before = changed()
    listed = [each.contract for each in world.log().registry.instruments]
    counts = {
        ("--all",): len(listed),
        ("--contract", "H800.QD"): listed.count("H800.QD"),
        ("--hub", "QD"): sum(each.endswith(".QD") for each in listed),
    }
    eleven_s = 1795359600  # 2026-11-22 23:00 in Shanghai
    for words, count in counts.items():
        code, out, err = operate("phase", *words, "halted", "--at", "23:00", "--json")
        assert (code, err) == (0, "")
        told = json.loads(out)
        stayed = sum(int(line.split()[0]) for line in told["unchanged"])  # they are gated
        assert told["changed"] + stayed == count
        assert all(" PHASE: the instrument's phase does not" in line for line in told["unchanged"])
    assert (changed() - before)[Phase.HALTED, eleven_s] == sum(counts.values())
    assert operate("phase", "--all", "--hub", "QD", "halted")[0] == 2
    assert operate("phase", "--hub", "NOWHERE", "halted")[0] == 2
    assert operate("phase", "--all", "open")[0] == 2
    for wrong in ("25:00", "9", "0900"):
        assert operate("phase", "--all", "halted", "--at", wrong)[0] == 2
    code, _, err = operate("phase", "--all", "halted", "--at", "00:30")
    assert (code, " TIME_PAST: its time has passed" in err) == (4, True)
    code, out, _ = operate("halt", "--market", "--yes")
    assert (code, "instruments, halted" in out) == (0, True)
    assert operate("halt", "--market", "--resume")[0] == 2
    code, out, _ = operate("phase", "--all", "continuous")
    assert (code, "instruments, continuous" in out) == (0, True)


def test_an_operator_registers_a_file_of_capacity(
    world: World, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    supplier = world.account("coast-1", "supplier")
    symbols = [world.instrument(place).symbol for place in range(5)]
    file = tmp_path / "capacity.csv"

    def register() -> Outcome:
        return call(world, capsys, "admin", "register", "--file", file, key="operations")

    lines = [f"{supplier},{symbol},{lots}" for lots, symbol in enumerate(symbols, 1)]
    file.write_text("account,instrument,lots\n" + "\n".join(lines))
    code, out, _ = register()
    assert (code, out.count("registered")) == (0, 5)
    lines[2] = f"{world.account()},{symbols[2]},3"
    file.write_text("account,instrument,lots\n" + "\n".join(lines))
    code, out, err = register()
    assert (code, out.count("registered")) == (4, 4)
    assert "4 lines are registered, and not to be sent again; 1 were refused: line 4: INV" in err
    for wrong in ("1,X", "x,X,1", "1,,1", "1,X,0", "1,X,1.5"):
        file.write_text(f"account,instrument,lots\n{wrong}\n")
        code, _, err = register()
        assert (code, f"{file}: line 2: " in err) == (2, True)


def test_an_operator_busts_a_trade_from_a_terminal(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    instrument, price = world.instrument(2), world.price(2)
    buyer, seller = world.client("south-1"), world.client("coast-1")
    buyer.orders.new(world.account("south-1"), instrument.id, Side.BUY, 2, price)
    account = world.account("coast-1", "supplier")
    related = SelfTradePrevention.NONE
    seller.orders.new(account, instrument.id, Side.SELL, 2, price, stp=related)
    trade = next(r.trade_id for r in buyer.reports(5) if r.kind == EventKind.FILLED)
    words = ("admin", "bust-trade", instrument.symbol, trade, "--yes")
    code, out, _ = call(world, capsys, *words, "--json", key="operations")
    busted = json.loads(out)
    assert (code, busted["seller"], busted["quantity"]) == (0, account, 2)
    code, _, err = call(world, capsys, *words, key="operations")
    assert (code, "taken back already" in err) == (4, True)


def test_a_block_is_placed_and_watched_from_a_terminal(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    first, price = world.instrument(4), world.price()
    where = ("--account", world.account("south-1"), "--price", price, "--stp", "none", "--json")
    place = ("trade", "block", "buy", 2, first.symbol, 2, *where)
    code, _, err = call(world, capsys, *place, "--tif", "gtd", "--until", "00:01", key="south-1")
    assert (code, "TIME_PAST" in err) == (4, True)
    code, out, _ = call(world, capsys, *place, "--watch", 0.2, key="south-1")
    stood = json.loads(out)
    assert (code, stood["kind"], stood["hours"]) == (0, "ACCEPTED", 2)
    for where_ in (first.contract, first.symbol, first.id):
        _, out, _ = call(world, capsys, "trade", "blocks", where_, "--json")
        assert json.loads(out) == [
            {"side": "buy", "first": first.symbol, "hours": 2, "quantity": 2, "price": price}
        ]
    seller, supplier = world.client("coast-1"), world.account("coast-1", "supplier")
    for number in (first.id, world.instrument(3).id):
        seller.orders.new(supplier, number, Side.SELL, 4, price)
    assert call(world, capsys, "trade", "blocks", first.contract)[1].count("buy") == 0
    code, out, _ = call(world, capsys, *place, "--tif", "ioc", "--watch", 5, key="south-1")
    reports = [json.loads(line) for line in out.splitlines()]
    assert [each["kind"] for each in reports] == ["ACCEPTED", "FILLED", "FILLED"]
    assert {each["trade_group"] for each in reports[1:]} == {2}
    assert [each["instrument"] for each in reports[1:]] == [first.id, world.instrument(3).id]
    code, out, _ = call(world, capsys, "trade", "watch", "--from", 1, "--seconds", 0.3,
                        key="south-1")  # fmt: skip
    assert ("2 hours" in out, "group 1" in out) == (True, True)
    code, _, err = call(world, capsys, "trade", "blocks", "NOTHING")
    assert (code, "NOTHING" in err) == (2, True)


def test_errors_are_one_line(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(world, capsys, "trade", "book", "NOTHING.THERE")
    assert (code, err.startswith("suanshi: "), "NOTHING.THERE" in err) == (2, True, True)
    code, _, err = call(world, capsys, "admin", "status", key="east-1")
    assert (code, "does not know this key" in err) == (4, True)
    code = run(["trade", "cancel", "1", "--connection", "missing.toml"])
    assert (code, "missing.toml: cannot be read" in capsys.readouterr().err) == (2, True)


def test_keys_are_made_and_never_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["keys", "new", "north-1", "--firm", "3", "--folder", str(tmp_path)]
    assert run([*words, "--dry-run"]) == 0
    assert not list(tmp_path.iterdir())
    assert run(words) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"north-1.secret", "north-1.toml"}
    assert (tmp_path / "north-1.secret").stat().st_mode & 0o777 == 0o600
    assert run(words) == 4
    assert "never overwritten" in capsys.readouterr().err


def test_top_prints_the_market_as_rows(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(world, capsys, "top", "--contract", "H800", "--json")
    rows = json.loads(out)
    assert code == 0
    assert all(row["symbol"].startswith("H800") for row in rows)
    assert "continuous" in {row["phase"] for row in rows}


def test_the_asynchronous_client_has_the_same_methods(world: World) -> None:
    async def use() -> None:
        key, number, price = world.secret("east-2"), world.instrument().id, world.price()
        async with await connect_async(world.connection, key) as client:
            book = await client.book(world.instrument().symbol)
            order = await client.orders.new(world.account(), number, Side.BUY, 2, price)
            await client.wait_for(lambda: book.bids() or None)
            assert (await client.orders.status(order.cl_ord_id)) == order
            changed = await client.orders.replace(order.cl_ord_id, 1)
            assert changed.leaves_qty == 1
            await client.orders.cancel(order.cl_ord_id)
            with pytest.raises(OrderRejected) as caught:
                await client.orders.cancel(order.cl_ord_id)
            assert caught.value.reason == Reason.UNKNOWN_ORDER
            kinds = [report.kind async for report in client.reports(0.2)]
            assert kinds[:2] == [EventKind.ACCEPTED, EventKind.REPLACED]

    asyncio.run(use())


def test_the_screen_shows_the_market(world: World) -> None:
    client = world.client("south-1")
    client.wait_for(lambda: client.market.has_definitions or None)

    async def count_rows() -> int:
        screen = Screen(client, "H800")
        async with screen.run_test() as pilot:
            await pilot.pause()
            return screen.query_one(DataTable).row_count

    assert asyncio.run(count_rows()) > 0
