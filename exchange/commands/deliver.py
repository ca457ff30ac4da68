"""`suanshi deliver` and `suanshi claim`: from nominations to metered deliveries and paid claims."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from exchange.commands import options
from exchange.commands.console import (
    Stages,
    cny,
    day_text,
    echo_postings,
    note,
    print_json,
    table,
)
from exchange.commands.group import BilingualGroup
from exchange.commands.outcome import Refused
from exchange.definition.file_names import DELIVERY_FOLDER, LEDGER_NAME

if TYPE_CHECKING:
    from ledger.books.database import Books
    from ledger.daylog.registry import Registry
    from ledger.delivery.meter_files import Meterings

_DELIVERY_DAY = click.option(
    "--day", "which", metavar="YYYY-MM-DD", required=True, help="The day of delivery."
)


_METER = click.argument("meter", metavar="METER.CSV", type=click.Path(path_type=Path))
_LEAVE_OUT = click.option(
    "--leave-out", is_flag=True, help="Go on although lines of the file cannot count."
)


@click.group(cls=BilingualGroup)
def deliver() -> None:
    """Nominate, dispatch and settle deliveries.

    指定、调度与交割。
    """


@deliver.command()
@options.day_log
@options.ledger
@_DELIVERY_DAY
@options.dry_run
@options.as_json
def nominate(day_log: Path, ledger: Path | None, which: str, dry_run: bool, as_json: bool) -> None:
    """Match open positions of a delivery day into service agreements.

    将某交割日的未平持仓撮合为服务协议。
    """
    from ledger.books.database import open_books
    from ledger.delivery.dispatch import nominate as run

    day, registry = _day(which), _registry(day_log)
    lines: list[tuple[Any, ...]] = []
    with Stages() as stages, open_books(_books(ledger, day_log)) as books:
        agreements = run(books, registry, day, dry_run=dry_run, lines=lines, progress=stages)
    if as_json:
        print_json({"day": day, "agreements": agreements, "dry_run": dry_run, "lines": lines})
        return
    if dry_run:
        head = ("agreement", "buyer", "supplier", "instrument", "lots", "CNY")
        rows = [(*line[:-1], cny(line[-1])) for line in lines]
        click.echo(table(head, rows, left=4) + "\n")
    would = "would be" if dry_run else "are"
    click.echo(f"{agreements} agreements of {day} {would} nominated")


@deliver.command()
@options.books
@_DELIVERY_DAY
@click.option(
    "--to",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="VENUE-FOLDER",
    help="Also have the venue of this folder tell its suppliers, and take their readings.",
)
@options.as_json
def notices(ledger: Path, which: str, folder: Path | None, as_json: bool) -> None:
    """Print what every supplier is to deliver to whom.

    打印调度通知：每个供应方交付什么、交给谁。
    """
    from ledger.books.database import open_books
    from ledger.delivery.dispatch_notices import notices as run
    from ledger.delivery.dispatch_notices import write_notices

    day = _day(which)
    if folder is not None and not folder.is_dir():
        raise click.UsageError(f"--to: there is no venue's folder {folder}")
    with open_books(ledger, read_only=True) as books:
        found = run(books, day)
        written = None if folder is None else write_notices(books, day, folder / DELIVERY_FOLDER)
    if as_json:
        document = {"day": day, "notices": found}
        print_json(document if written is None else {**document, "written": str(written)})
        return
    if written is not None:
        note(f"wrote {written}")
    rows = [
        (notice["supplier"], line["agreement"], line["buyer"], line["symbol"], line["quantity"],
         ", ".join(f"{each['block']}: {each['lots']} of {each['of']}" for each in line["blocks"]))
        for notice in found
        for line in notice["lines"]
    ]  # fmt: skip
    head = ("supplier", "agreement", "buyer", "instrument", "lots", "of blocks")
    click.echo(table(head, rows, left=4))


@deliver.command("settle")
@options.day_log
@_METER
@options.ledger
@_DELIVERY_DAY
@_LEAVE_OUT
@click.option(
    "--part", is_flag=True, help="Agreements that are not metered in full wait for a later file."
)
@options.dry_run
@options.as_json
def settle_(
    day_log: Path, meter: Path, ledger: Path | None, which: str, leave_out: bool, part: bool,
    dry_run: bool, as_json: bool,
) -> None:  # fmt: skip
    """Settle a delivery day by what was metered; the rest is refunded.

    按计量结果交割，未交付部分退款。
    """
    from dataclasses import asdict

    from ledger.books.database import open_books
    from ledger.delivery.dispatch import deliver as run

    day, registry = _day(which), _registry(day_log)
    with Stages() as stages, open_books(_books(ledger, day_log)) as books:
        found = _read(books, meter, leave_out, findings=False)
        done = run(
            books, registry, day, found, part=part, dry_run=dry_run, progress=stages
        )  # fmt: skip
    document = {"day": day, "dry_run": dry_run, "refused": found.refused,
                "repeated": found.repeated, **asdict(done)}  # fmt: skip
    names = {"lines": "lines", "metered": "lines of the meter file that count"}
    money = ("value", "refund", "penalty", "vouchers")
    _show(document, as_json, f"delivery of {day}", names, money)


@deliver.command()
@options.day_log
@_METER
@options.ledger
@_LEAVE_OUT
@click.option("--no-penalty", is_flag=True, help="The trade was void: nobody failed.")
@options.dry_run
@options.as_json
def shortfall(
    day_log: Path, meter: Path, ledger: Path | None, leave_out: bool, no_penalty: bool,
    dry_run: bool, as_json: bool,
) -> None:  # fmt: skip
    """Take back what was found missing after the delivery, and the subsidy in proportion.

    交割后发现短缺：退款，并按比例追回补助。
    """
    from dataclasses import asdict

    from ledger.books.database import open_books
    from ledger.delivery.shortfall import post_shortfalls

    registry = _registry(day_log)
    with Stages() as stages, open_books(_books(ledger, day_log)) as books:
        found = _read(books, meter, leave_out, findings=True)
        done = post_shortfalls(
            books, registry, found, penalty=not no_penalty, dry_run=dry_run, progress=stages
        )
    document = {"dry_run": dry_run, "refused": found.refused, "repeated": found.repeated,
                **asdict(done)}  # fmt: skip
    names = {"findings": "findings that count"}
    _show(document, as_json, "shortfall", names, ("refund", "penalty", "clawback", "owed"))


@click.command()
@options.day_log
@options.ledger
@click.option("--suppliers", metavar="PROGRAMME", help="Share out a programme for suppliers.")
@click.option("--year", type=click.IntRange(1992, 2100), help="The year that is shared out.")
@options.dry_run
@options.as_json
def claim(
    day_log: Path, ledger: Path | None, suppliers: str | None, year: int | None, dry_run: bool,
    as_json: bool,
) -> None:  # fmt: skip
    """Redeem and pay the claims that wait, or share out a year of suppliers' subsidy.

    兑付待付的算力券申领，或分配供应方年度补助。
    """
    from dataclasses import asdict

    from ledger.books.database import open_books
    from ledger.delivery.dispatch import claim as run
    from ledger.vouchers.supplier_year import pay_suppliers

    registry = _registry(day_log)
    if (suppliers is None) != (year is None):
        raise click.UsageError("--suppliers and --year go together")
    lines: list[tuple[Any, ...]] = []
    with Stages() as stages, open_books(_books(ledger, day_log)) as books:
        if suppliers is not None and year is not None:
            grants = pay_suppliers(books, registry, suppliers, year, dry_run=dry_run, lines=lines)
            document: dict[str, Any] = {
                "programme": suppliers, "year": year, "dry_run": dry_run,
                "grants": [asdict(each) for each in grants],
            }  # fmt: skip
            said = [f"{each.supplier}: {cny(each.grant_fen)} CNY" for each in grants]
        else:
            judged, paid_fen = run(books, registry, dry_run=dry_run, lines=lines, progress=stages)
            document = {"claims": judged, "paid_fen": paid_fen, "dry_run": dry_run}
            said = [f"{judged} claims, {cny(paid_fen)} CNY paid"]
    if as_json:
        print_json({**document, "postings": lines})
        return
    if dry_run:
        echo_postings(lines)
    click.echo("\n".join(said))


def _day(text: str) -> str:
    day = day_text(text)
    assert day is not None
    return day


def _books(ledger: Path | None, day_log: Path) -> Path:
    return ledger or day_log.parent / LEDGER_NAME


def _registry(day_log: Path) -> "Registry":
    from ledger.daylog import read_day_log

    return read_day_log(day_log).registry


def _read(books: "Books", meter: Path, leave_out: bool, *, findings: bool) -> "Meterings":
    """The lines of a file that count. Raises Refused where some cannot, unless left out."""
    from ledger.delivery.meter_files import read_meterings

    found = read_meterings(books, meter, findings=findings)
    for line in (*found.refused, *found.repeated):
        note(line)
    if found.refused and not leave_out:
        raise Refused(
            f"{meter}: {len(found.refused)} lines cannot count, the first: {found.refused[0]}; "
            "nothing was posted (--leave-out goes on without them)"
        )
    return found


def _show(
    document: dict[str, Any], as_json: bool, title: str, names: dict[str, str],
    money: tuple[str, ...],
) -> None:  # fmt: skip
    if as_json:
        print_json(document)
        return
    if document["dry_run"]:
        echo_postings(document["postings"])
    rows = [(text, document[name]) for name, text in names.items()]
    rows += [(f"{name}, CNY", cny(document[f"{name}_fen"])) for name in money]
    click.echo(table((title, ""), rows))
