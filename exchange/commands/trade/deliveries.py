"""`suanshi trade notices` and `meter`: a supplier's dispatch notices and meter readings."""

from pathlib import Path

import click

from exchange.commands import wire_options
from exchange.commands.bilingual import BilingualCommand, argument
from exchange.commands.console import day_text, note, print_json, table
from exchange.commands.outcome import Refused
from exchange.commands.venue_client import open_client


@click.command(cls=BilingualCommand)
@argument("day", metavar="YYYY-MM-DD", help="Day of delivery. / 交割日。")
@wire_options.client("coast-1")
def notices(day: str, connection: Path, key: Path, as_json: bool) -> None:
    """Show the deliveries that the key's accounts owe on a day.

    查看本会员账户某交割日的调度通知。
    """
    import msgspec

    name = day_text(day)
    with open_client(connection, key) as client:
        lines = client.notices(name)
    if as_json:
        print_json({"day": name, "lines": msgspec.to_builtins(lines)})
        return
    rows = [
        (each.supplier, each.agreement, each.buyer, each.instrument, each.quantity, each.unit)
        for each in lines
    ]
    click.echo(
        table(("supplier", "agreement", "buyer", "instrument", "lots", "unit"), rows, left=4)
    )


@click.command(cls=BilingualCommand)
@argument(
    "meter", metavar="METER.CSV", type=click.Path(path_type=Path),
    help="File with the meter readings. / 计量读数文件。",
)  # fmt: skip
@wire_options.client("coast-1")
def meter(meter: Path, connection: Path, key: Path, as_json: bool) -> None:
    """Send meter readings to the venue; a reading that is sent twice counts once.

    向交易所报送计量读数；重复报送只计一次。
    """
    import msgspec

    from feeds.protocol.delivery_messages import MeterReading
    from ledger.delivery.meter_files import read_rows

    try:
        readings = msgspec.convert(read_rows(meter), list[MeterReading], strict=False)
    except msgspec.ValidationError as error:
        raise Refused(f"{meter}: {error}; nothing was sent") from None
    with open_client(connection, key) as client:
        answers = client.meter(readings)
    refused = [each for each in answers if each.reason]
    for each in refused:
        note(f"{each.meter}: {each.reason.name}: {each.text}")
    if as_json:
        print_json({
            "answers": [{**msgspec.to_builtins(a), "reason": a.reason.name} for a in answers],
        })  # fmt: skip
    else:
        repeated = sum(each.repeated for each in answers)
        click.echo(f"{len(answers) - len(refused)} readings count, {repeated} of them sent before")
    if refused:
        raise Refused(f"{meter}: {len(refused)} of {len(answers)} readings do not count")
