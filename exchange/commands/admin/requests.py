"""The parts that the commands of `suanshi admin` share."""

from pathlib import Path
from typing import Any

import click

from exchange.commands import wire_options
from exchange.commands.bilingual import argument
from exchange.commands.console import print_json
from exchange.commands.venue_client import instrument_number, open_client, report_document

INSTRUMENT = argument("instrument", help="Symbol or number of the instrument. / 合约代码或编号。")
operator = wire_options.client("operations")


def send(
    kind: str,
    connection: Path,
    key: Path,
    as_json: bool,
    echo: str,
    *,
    instrument: str | None = None,
    **fields: Any,
) -> None:
    """Send an administrative command; print its report as JSON, or `echo` for a person."""
    from feeds.protocol.commands import command
    from matching.records import CommandKind

    with open_client(connection, key, admin=True) as client:
        if instrument is not None:
            fields["instrument"] = instrument_number(client, instrument)
        report = client.ask(command(CommandKind[kind], **fields))
    if as_json:
        print_json(report_document(report))
    else:
        click.echo(echo)
