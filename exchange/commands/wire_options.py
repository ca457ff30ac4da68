"""What commands that connect to a venue have in common."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from exchange.commands.console import print_json

if TYPE_CHECKING:
    from feeds.client import Client
    from feeds.protocol.execution_reports import Report

connection = click.option(
    "--connection",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("venue/connection.toml"),
    show_default=True,
    help="Where the venue is, as it wrote it down.",
)


until = click.option(
    "--until", type=click.IntRange(min=0), default=0,
    help="Of a gtd order: seconds since the epoch.",
)  # fmt: skip

stp = click.option(
    "--stp", type=click.Choice(["none", "newest", "oldest", "both", "decrement"]), default="none",
    show_default=True, help="What goes where it would trade with its owner's order.",
)  # fmt: skip


def key(name: str) -> Callable[[Any], Any]:
    """The option that names a key file."""
    return click.option(
        "--key",
        type=click.Path(path_type=Path, dir_okay=False),
        default=Path(f"venue/keys/{name}.secret"),
        show_default=True,
        help="The key to connect with.",
    )


basket = click.option(
    "--basket", metavar="CODE", help="Any member of a basket will do; INSTRUMENT says which hour."
)
how = click.option(
    "--how", type=click.Choice(["split", "whole"]), default="split", show_default=True,
    help="From a basket: the best prices of all members, or all of it from the cheapest one.",
)  # fmt: skip


def basket_of(client: "Client", code: str | None, tif: str) -> int:
    """The number of the basket that an order names; 0: none. A usage error where it cannot."""
    if code is None:
        return 0
    if tif not in ("ioc", "fok"):
        raise click.UsageError("--basket asks for --tif ioc or fok")
    try:
        return client.basket(int(code) if code.isdigit() else code)
    except KeyError:
        raise click.BadParameter(f"there is no basket {code}") from None


def open_client(connection: Path, key: Path, *, admin: bool = False, **options: Any) -> "Client":
    """A client that is logged on."""
    from feeds.client import connect

    return connect(connection, key, admin=admin, **options)


def number_of(client: "Client", instrument: str) -> int:
    """An instrument given by number or symbol; a usage error where there is none."""
    try:
        return client.instrument(int(instrument) if instrument.isdigit() else instrument)
    except KeyError:
        raise click.BadParameter(f"there is no instrument {instrument}") from None


def show_report(report: "Report", as_json: bool) -> None:
    """A report as JSON or as one line."""
    if as_json:
        print_json(document(report))
        return
    click.echo(line(report))


def document(report: "Report") -> dict[str, Any]:
    """A report as JSON has it."""
    import msgspec

    fields: dict[str, Any] = msgspec.to_builtins(report)
    fields["kind"], fields["reason"] = report.kind.name, report.reason.name
    return fields


def line(report: "Report") -> str:
    """A report in one line."""
    side = "sell" if report.side == "2" else "buy"
    why = f"  {report.text}" if report.text else ""
    why += f"  basket {report.basket}" if report.basket else ""
    why += f"  {report.hours} hours" if report.hours else ""
    why += f"  group {report.trade_group}" if report.trade_group else ""
    return (
        f"{report.exec_id:>8}  {report.kind.name.lower():<14} ref {report.cl_ord_id:<8} "
        f"account {report.account:<4} instrument {report.instrument:<5} {side:<4} "
        f"price {report.price:<8} last {report.last_qty:<6} leaves {report.leaves_qty:<6} "
        f"filled {report.cum_qty}{why}"
    )
