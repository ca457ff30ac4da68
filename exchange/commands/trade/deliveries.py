"""`suanshi trade notices` and `meter`: a supplier's deliveries from a terminal."""

from pathlib import Path

import click

from exchange.commands import options, wire_options
from exchange.commands.console import day_text, note, print_json, table
from exchange.commands.outcome import Refused
from exchange.commands.wire_options import open_client


@click.command()
@click.argument("day", metavar="YYYY-MM-DD")
@wire_options.connection
@wire_options.key("coast-1")
@options.as_json
def notices(day: str, connection: Path, key: Path, as_json: bool) -> None:
    """Show what the key's accounts are to deliver on a day.

    查看本会员账户某日的交付通知。
    """
    import msgspec

    name = day_text(day)
    assert name is not None
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


@click.command()
@click.argument("meter", metavar="METER.CSV", type=click.Path(path_type=Path))
@wire_options.connection
@wire_options.key("coast-1")
@options.as_json
def meter(meter: Path, connection: Path, key: Path, as_json: bool) -> None:
    """Send meter readings; those that count are kept by the venue. Sending twice is harmless.

    发送计量读数；有效读数由交易所保存，重复发送无害。
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
        again = sum(each.repeated for each in answers)
        click.echo(f"{len(answers) - len(refused)} readings count, {again} of them known before")
    if refused:
        raise Refused(f"{meter}: {len(refused)} of {len(answers)} readings do not count")
