"""`suanshi deliver` and `suanshi claim`: nomination, metered delivery and payment of claims."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from exchange.commands import options
from exchange.commands.bilingual import BilingualCommand, BilingualGroup, argument
from exchange.commands.console import (
    Stages,
    cny,
    day_text,
    echo_postings,
    note,
    print_json,
    table,
)
from exchange.commands.inputs import ledger_path, read_registry
from exchange.definition.file_names import DELIVERY_FOLDER

if TYPE_CHECKING:
    from exchange.days.payments import Payment

_DELIVERY_DAY = click.option(
    "--day", "which", metavar="YYYY-MM-DD", required=True, help="Day of delivery. / 交割日。"
)


_METER = argument(
    "meter", metavar="METER.CSV", type=click.Path(path_type=Path),
    help="File with the meter readings. / 计量读数文件。",
)  # fmt: skip
_LEAVE_OUT = click.option(
    "--leave-out", is_flag=True,
    help="Leave out invalid lines of the file; without it, one such line stops the command. / "
    "忽略文件中的无效行；不加则遇无效行即停止。",
)  # fmt: skip


@click.group(cls=BilingualGroup)
def deliver() -> None:
    """Nominate, dispatch and settle deliveries.

    交割匹配、调度与交割结算。
    """


@deliver.command()
@options.day_log
@options.ledger
@_DELIVERY_DAY
@options.dry_run
@options.as_json
def nominate(day_log: Path, ledger: Path | None, which: str, dry_run: bool, as_json: bool) -> None:
    """Match the open positions of a delivery day into service agreements.

    交割匹配：将某交割日的未平持仓匹配为服务协议。
    """
    from ledger.books.database import open_books
    from ledger.delivery.dispatch import nominate as run

    day, registry = day_text(which), read_registry(day_log)
    lines: list[tuple[Any, ...]] = []
    with Stages() as stages, open_books(ledger_path(ledger, day_log)) as books:
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
    help="Write the notices for the venue of this folder, too, which publishes them and accepts "
    "meter readings. / 同时写入该交易所目录，由其向供应方发布并接收计量读数。",
)
@options.as_json
def notices(ledger: Path, which: str, folder: Path | None, as_json: bool) -> None:
    """Print the dispatch notices: the deliveries of every supplier, with their buyers.

    打印调度通知：各供应方的交付内容与买方。
    """
    from ledger.books.database import open_books
    from ledger.delivery.dispatch_notices import notices as run
    from ledger.delivery.dispatch_notices import write_notices

    day = day_text(which)
    if folder is not None and not folder.is_dir():
        raise click.UsageError(f"--to: the venue's folder {folder} does not exist")
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
    "--part", is_flag=True,
    help="Leave agreements that are not metered in full to a later file. / "
    "计量不全的协议留待后续文件结算。",
)  # fmt: skip
@options.dry_run
@options.as_json
def settle_(
    day_log: Path, meter: Path, ledger: Path | None, which: str, leave_out: bool, part: bool,
    dry_run: bool, as_json: bool,
) -> None:  # fmt: skip
    """Settle a delivery day by its meter readings; refund what was not delivered.

    按计量结果进行交割结算，未交付部分退款。
    """
    from exchange.days.payments import Delivery

    day = day_text(which)
    payment = Delivery(day=day, part=part, leave_out=leave_out)
    paid = _pay(day_log, ledger, payment, meter, dry_run=dry_run, as_json=as_json)
    names = {"lines": "lines", "metered": "lines of the meter file that count"}
    money = ("value", "refund", "penalty", "vouchers")
    if paid is not None:
        _show({"day": day, **paid}, as_json, f"delivery of {day}", names, money)


@deliver.command()
@options.day_log
@_METER
@options.ledger
@_LEAVE_OUT
@click.option(
    "--no-penalty", is_flag=True,
    help="Charge no penalty, because the trade was void. / 因成交无效，不收违约金。",
)  # fmt: skip
@options.dry_run
@options.as_json
def shortfall(
    day_log: Path, meter: Path, ledger: Path | None, leave_out: bool, no_penalty: bool,
    dry_run: bool, as_json: bool,
) -> None:  # fmt: skip
    """Refund a shortfall found after delivery, and claw back its share of the vouchers.

    事后发现交割不足：退款，并按比例追回算力券补贴。
    """
    from exchange.days.payments import Findings

    payment = Findings(penalty=not no_penalty, leave_out=leave_out)
    paid = _pay(day_log, ledger, payment, meter, dry_run=dry_run, as_json=as_json)
    names = {"findings": "findings that count"}
    if paid is not None:
        _show(paid, as_json, "shortfall", names, ("refund", "penalty", "clawback", "owed"))


@click.command(cls=BilingualCommand)
@options.day_log
@options.ledger
@click.option(
    "--suppliers", metavar="PROGRAMME",
    help="Pay out the yearly subsidy of this programme for suppliers; needs --year. / "
    "分配该供应方方案的年度补贴，须同时指定 --year。",
)  # fmt: skip
@click.option(
    "--year", type=click.IntRange(1992, 2100),
    help="Year of the suppliers' subsidy. / 供应方补贴的年度。",
)  # fmt: skip
@options.dry_run
@options.as_json
def claim(
    day_log: Path, ledger: Path | None, suppliers: str | None, year: int | None, dry_run: bool,
    as_json: bool,
) -> None:  # fmt: skip
    """Redeem and pay all open claims, or pay out a year of suppliers' subsidy.

    兑付待付的算力券申请，或分配供应方年度补贴。
    """
    from exchange.days.payments import Claims, Payment, SupplierYear

    payment: Payment = Claims()
    if suppliers is not None and year is not None:
        payment = SupplierYear(programme=suppliers, year=year)
    elif suppliers is not None or year is not None:
        raise click.UsageError("--suppliers and --year must be given together")
    paid = _pay(day_log, ledger, payment, None, dry_run=dry_run, as_json=as_json)
    if paid is None:
        return
    if as_json:
        print_json(paid)
        return
    if dry_run:
        echo_postings(paid["postings"])
    for grant in paid.get("grants", ()):
        click.echo(f"{grant['supplier']}: {cny(grant['grant_fen'])} CNY")
    if "claims" in paid:
        click.echo(f"{paid['claims']} claims, {cny(paid['paid_fen'])} CNY paid")


def _pay(
    day_log: Path, ledger: Path | None, payment: "Payment", meter: Path | None, *, dry_run: bool,
    as_json: bool,
) -> dict[str, Any] | None:  # fmt: skip
    """Carry out a payment; returns its document, or None where it was queued, which is printed."""
    from exchange.days.payment_queue import PaymentQueue
    from exchange.days.payments import document, pay
    from ledger.books.database import open_books
    from ledger.books.errors import DayOpenError
    from ledger.books.open_day import opened_day

    registry, path = read_registry(day_log), ledger_path(ledger, day_log)
    with Stages() as stages, open_books(path) as books:
        try:
            paid = pay(
                books, registry, payment, meter, dry_run=dry_run, progress=stages, note=note
            )  # fmt: skip
        except DayOpenError:
            if dry_run:
                raise
            queued = PaymentQueue(path).add(books, payment, meter)
            waits_for = opened_day(books)
        else:
            return {**document(payment, paid), "dry_run": dry_run}
    if as_json:
        print_json({"queued": str(queued), "until_closed": waits_for})
    else:
        click.echo(f"{waits_for} is open: queued as {queued}, to be paid at its close")
    return None


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
