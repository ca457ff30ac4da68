"""Deliveries over real sockets and keys: notices, readings answered once, kill -9, settlement."""

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from exchange.cli import run
from feeds.client import Client, connect_async
from feeds.protocol.delivery_messages import MeterAnswer, MeterReading, MeterReason, NoticeLine
from feeds.protocol.errors import FrameRefused, WireError
from feeds.protocol.messages import RefusalReason
from ledger.books.database import open_books
from ledger.proof.audit import audit
from matching.records import Side
from tests.end_to_end.test_days import config, log_of
from tests.support.venue_process import World

DAY, NEXT_DAY = "2026-11-22", "2026-11-23"
SYMBOL = "H800.QD.2026112218"
LOTS = 5
BUYER, SUPPLIER = "east-1", "coast-1"


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A venue whose first day is settled and nominated, and whose second day is served."""
    world = World(tmp_path_factory.mktemp("deliveries"))
    config(world)
    world.key("copy", role="drop-copy", firm=world_firm(world, SUPPLIER))
    try:
        world.start()
        buyer, seller = world.client(BUYER), world.client(SUPPLIER)
        number, price = buyer.instrument(SYMBOL), world.price()
        seller.orders.new(world.account(SUPPLIER, "supplier"), number, Side.SELL, LOTS, price)
        buyer.orders.new(world.account(BUYER), number, Side.BUY, LOTS, price)
        close_clients(world)
        sealed = str(world.close_day()["sealed"])
        assert run(["day", "close", sealed]) == 0
        assert run(["deliver", "nominate", sealed, "--day", DAY]) == 0
        publish_notices(world)
        world.start()
        yield world
    finally:
        world.end()


def world_firm(world: World, name: str) -> int:
    return int((world.secret(name).with_suffix(".toml").read_text().split("firm = ")[1]).split()[0])


def close_clients(world: World) -> None:
    while world.clients:
        world.clients.pop().close()


def publish_notices(world: World) -> None:
    books = str(world.folder / "venue" / "ledger.duckdb")
    folder = str(world.folder / "venue")
    assert run(["deliver", "notices", books, "--day", DAY, "--to", folder]) == 0


def readings_file(world: World) -> Path:
    return world.folder / "venue" / "delivery" / f"{DAY}.readings.csv"


def line(client: Client) -> NoticeLine:
    (found,) = client.notices(DAY)
    return found


def reading(meter: str, agreement: int, **changes: object) -> MeterReading:
    fields: dict[str, object] = {
        "meter": meter, "agreement": agreement, "instrument": SYMBOL, "unit": "gpu-hour",
        "chip": "H800", "gpus": 1, "available_s": 900, **changes,
    }  # fmt: skip
    return MeterReading(**fields)  # type: ignore[arg-type]


def one(client: Client, *arguments: object, **changes: object) -> MeterAnswer:
    (answer,) = client.meter([reading(*arguments, **changes)])  # type: ignore[arg-type]
    return answer


def test_only_the_supplier_and_its_drop_copy_receive_its_notices(settled: World) -> None:
    supplier = settled.client(SUPPLIER)
    found = line(supplier)
    assert (found.instrument, found.quantity, found.unit) == (SYMBOL, LOTS, "gpu-hour")
    assert found.end_s - found.start_s == 3600
    assert [(each.chip, each.gpus) for each in found.chips] == [("H800", LOTS)]
    assert [*settled.client("copy").notices(DAY)] == [found]
    assert settled.client(BUYER).notices(DAY) == []
    assert supplier.notices("2026-11-30") == []
    close_clients(settled)


@pytest.mark.parametrize(
    ("changes", "reason", "text"),
    [
        ({"instrument": "H800.QD.2030010100"}, "UNKNOWN_INSTRUMENT", "is not known"),
        ({"agreement": 99}, "UNKNOWN_AGREEMENT", "agreement 99 is not known"),
        ({"unit": "pflops-day"}, "UNIT", "is in units of gpu-hour, got 'pflops-day'"),
        ({"chip": "H100"}, "CHIP", "is not delivered by chip 'H100'"),
        ({"available_s": 3601}, "TOO_LONG", "lasts 3600 s, got 3601 of availability"),
        ({"gpus": 1_000_001}, "NUMBER", "`gpus` must be at most 1000000"),
    ],
)
def test_a_reading_that_cannot_count_is_refused_with_its_reason(
    settled: World, changes: dict[str, object], reason: str, text: str
) -> None:
    supplier = settled.client(SUPPLIER)
    fields = {"agreement": line(supplier).agreement, **changes}
    answer = one(supplier, "wrong", **fields)
    assert answer.reason == MeterReason[reason]
    assert text in answer.text
    assert (answer.number, answer.delivered_millionths) == (0, 0)
    assert "wrong" not in readings_file(settled).read_text()
    close_clients(settled)


def test_only_the_suppliers_own_trading_key_may_send_readings(settled: World) -> None:
    agreement = line(settled.client(SUPPLIER)).agreement
    assert one(settled.client(BUYER), "m", agreement).reason == MeterReason.UNKNOWN_AGREEMENT
    for client in (settled.client("copy"), settled.operator()):
        with pytest.raises(FrameRefused) as refused:
            one(client, "m", agreement)
        assert refused.value.reason == RefusalReason.NOT_ENTITLED
    supplier = settled.client(SUPPLIER)
    for wrong in ({"gpus": -1}, {"meter": 'a,"b"'}, {"meter": ""}):
        with pytest.raises(FrameRefused) as refused:
            supplier.meter([reading(**{"meter": "m", "agreement": agreement, **wrong})])  # type: ignore[arg-type]
        assert refused.value.reason == RefusalReason.BAD_MESSAGE
    close_clients(settled)


def test_a_reading_is_answered_once_and_survives_kill_9(settled: World) -> None:
    supplier = settled.client(SUPPLIER)
    agreement = line(supplier).agreement
    first = one(supplier, "once", agreement)
    assert (first.reason, first.repeated) == (MeterReason.COUNTED, False)
    assert (first.delivered_millionths, first.metered_millionths) == (250_000, 250_000)
    again, other, twice = supplier.meter([
        reading("once", agreement), reading("once", agreement, gpus=2), reading("twice", agreement),
    ])  # fmt: skip
    assert again == MeterAnswer(**{**as_dict(first), "repeated": True})
    assert (other.reason, other.text) == (
        MeterReason.DIFFERENT, "`once` was metered before, differently",
    )  # fmt: skip
    assert (twice.number, twice.metered_millionths) == (first.number + 1, 500_000)
    close_clients(settled)
    settled.kill()
    with readings_file(settled).open("a") as file:
        file.write("torn,1,H800")
    settled.start()
    supplier = settled.client(SUPPLIER)
    assert one(supplier, "once", agreement) == again
    assert not readings_file(settled).read_text().endswith("torn,1,H800")
    assert readings_file(settled).with_suffix(".torn").read_text() == "torn,1,H800"
    close_clients(settled)


def test_every_answered_reading_survives_kill_9(settled: World) -> None:
    supplier = settled.client(SUPPLIER)
    agreement = line(supplier).agreement
    answered: list[MeterAnswer] = []

    def send() -> None:
        for number in range(100_000):
            try:
                sent = reading(f"k{number}", agreement, gpus=0)
                answered.extend(supplier.meter([sent]))
            except WireError:
                return

    supplier.timeout_s = 1
    sender = threading.Thread(target=send)
    sender.start()
    while len(answered) < 50 and sender.is_alive():
        sender.join(0.01)
    settled.kill()
    sender.join()
    close_clients(settled)
    settled.start()
    again = settled.client(SUPPLIER).meter([
        reading(each.meter, agreement, gpus=0) for each in answered
    ])  # fmt: skip
    assert again == [MeterAnswer(**{**as_dict(each), "repeated": True}) for each in answered]
    close_clients(settled)


def test_readings_from_the_wire_settle_to_the_fen_at_the_next_close(
    settled: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Settled while the second day was served, they made it impossible to close."""

    async def rest(agreement: int) -> list[MeterAnswer]:
        async with await connect_async(settled.connection, settled.secret(SUPPLIER)) as client:
            assert [each.agreement for each in await client.notices(DAY)] == [agreement]
            # 0.5 lots are metered already; 4 GPUs for a whole hour make 4.5 of 5.
            return await client.meter([reading("rest", agreement, gpus=4, available_s=3600)])

    supplier = settled.client(SUPPLIER)
    agreement = line(supplier).agreement
    price = settled.price()
    sent = [("once", 900), ("twice", 900)]
    supplier.meter([reading(name, agreement, available_s=s) for name, s in sent])
    close_clients(settled)
    (answer,) = asyncio.run(rest(agreement))
    assert (answer.delivered_millionths, answer.metered_millionths) == (4_000_000, 4_500_000)

    log, readings = str(log_of(settled, DAY)), readings_file(settled)
    changed = tmp_path / readings.name
    changed.write_text(readings.read_text().replace(",4,3600,", ",5,3600,"))
    assert run(["deliver", "settle", log, str(changed), "--day", DAY]) == 4
    capsys.readouterr()
    assert run(["deliver", "settle", log, str(readings), "--day", DAY, "--json"]) == 0
    queued = json.loads(capsys.readouterr().out)
    assert queued["until_closed"] == NEXT_DAY
    supplier = settled.client(SUPPLIER)
    late = one(supplier, "until-the-close", agreement, gpus=0)  # answered, so it counts
    assert late.reason == MeterReason.COUNTED
    close_clients(settled)
    second = str(log_of(settled, NEXT_DAY))
    assert run(["day", "close", second, "--yes", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["queued"] == [
        {"payment": Path(queued["queued"]).name, "paid": True, "text": ""}
    ]
    assert run(["verify", second]) == 0
    with open_books(settled.folder / "venue" / "ledger.duckdb", read_only=True) as books:
        query = "SELECT delivered_millionths, value_fen, refund_fen FROM deliveries"
        assert books.rows(query) == [(4_500_000, price * 9 // 2, LOTS * price - price * 9 // 2)]
        assert books.scalar("SELECT count(*) FROM meterings WHERE meter = 'until-the-close'") == 1
        assert audit(books) == []

    publish_notices(settled)
    settled.wait_for_end()
    settled.start()
    assert settled.started["trading_day"] == "2026-11-24"
    supplier = settled.client(SUPPLIER)
    late = one(supplier, "late", agreement)
    assert (late.reason, late.text) == (
        MeterReason.LATE, f"agreement {agreement} is delivered already: this comes too late",
    )  # fmt: skip
    assert one(supplier, "rest", agreement, gpus=4, available_s=3600).repeated
    close_clients(settled)


def test_a_supplier_sends_a_meter_file_from_a_terminal(
    settled: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = [
        "--connection", str(settled.folder / "venue" / "connection.toml"),
        "--key", str(settled.secret(SUPPLIER)),
    ]  # fmt: skip
    capsys.readouterr()
    assert run(["trade", "notices", DAY, *where, "--json"]) == 0
    (notice,) = json.loads(capsys.readouterr().out)["lines"]
    file = tmp_path / "meter.csv"
    head = "meter,agreement,instrument,unit,chip,gpus,available_s\n"
    file.write_text(f"{head}rest,{notice['agreement']},{SYMBOL},gpu-hour,H800,4,3600\n")
    assert run(["trade", "meter", str(file), *where]) == 0
    assert "1 readings count, 1 of them sent before" in capsys.readouterr().out
    file.write_text(f"{head}new,{notice['agreement']},{SYMBOL},gpu-hour,H800,4,3600\n")
    assert run(["trade", "meter", str(file), *where]) == 4
    assert "new: LATE: agreement" in capsys.readouterr().err
    file.write_text(f"{head}new,{notice['agreement']},{SYMBOL},gpu-hour,H800,-4,3600\n")
    assert run(["trade", "meter", str(file), *where]) == 4
    assert "nothing was sent" in capsys.readouterr().err


def as_dict(answer: MeterAnswer) -> dict[str, object]:
    return {name: getattr(answer, name) for name in answer.__struct_fields__}
