"""A client of the venue for commands: logon, numbers of instruments and baskets, reports."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from exchange.commands.console import print_json

if TYPE_CHECKING:
    from feeds.client import Client
    from feeds.protocol.execution_reports import Report


def open_client(connection: Path, key: Path, *, admin: bool = False, **options: Any) -> "Client":
    """A client that is logged on; with `admin`, to the operators' port."""
    from feeds.client import connect

    return connect(connection, key, admin=admin, **options)


def trading_day(client: "Client") -> str:
    """The venue's trading day, YYYY-MM-DD."""
    assert client.session.ack is not None
    return client.session.ack.trading_day


def instrument_number(client: "Client", instrument: str) -> int:
    """The number of an instrument that is given by number or symbol.

    Raises click.BadParameter if the venue lists no such instrument.
    """
    try:
        return client.instrument(int(instrument) if instrument.isdigit() else instrument)
    except KeyError:
        raise click.BadParameter(f"there is no instrument {instrument}") from None


def basket_number(client: "Client", code: str | None, tif: str) -> int:
    """The number of the basket that an order names by number or code; 0 if it names none.

    Raises click.UsageError if the time in force does not allow a basket, and click.BadParameter
    if the venue lists no such basket.
    """
    if code is None:
        return 0
    if tif not in ("ioc", "fok"):
        raise click.UsageError(f"--basket needs --tif ioc or fok, got {tif}")
    try:
        return client.basket(int(code) if code.isdigit() else code)
    except KeyError:
        raise click.BadParameter(f"there is no basket {code}") from None


def show_report(report: "Report", as_json: bool) -> None:
    """Print a report: a JSON document, or one line."""
    if as_json:
        print_json(report_document(report))
    else:
        click.echo(report_line(report))


def stream_report(report: "Report", as_json: bool) -> None:
    """Print a report of a stream as one line, JSON or text."""
    click.echo(json.dumps(report_document(report)) if as_json else report_line(report))


def report_document(report: "Report") -> dict[str, Any]:
    """The fields of a report for JSON, its kind and reason by name."""
    import msgspec

    fields: dict[str, Any] = msgspec.to_builtins(report)
    fields["kind"], fields["reason"] = report.kind.name, report.reason.name
    return fields


def report_line(report: "Report") -> str:
    """A report as one line of text."""
    side = "sell" if report.side == "2" else "buy"
    details = f"  {report.text}" if report.text else ""
    details += f"  basket {report.basket}" if report.basket else ""
    details += f"  {report.hours} hours" if report.hours else ""
    details += f"  group {report.trade_group}" if report.trade_group else ""
    return (
        f"{report.exec_id:>8}  {report.kind.name.lower():<14} ref {report.cl_ord_id:<8} "
        f"account {report.account:<4} instrument {report.instrument:<5} {side:<4} "
        f"price {report.price:<8} last {report.last_qty:<6} leaves {report.leaves_qty:<6} "
        f"filled {report.cum_qty}{details}"
    )
