"""`suanshi demo`: one day of real demand, from orders to settled money."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from exchange.commands import options
from exchange.commands.bilingual import BilingualCommand
from exchange.commands.console import Stages, cny, note_compiling, print_json, table
from exchange.commands.outcome import clear_outputs

if TYPE_CHECKING:
    from exchange.flow.demonstration import Demonstration
    from ledger.statements.summary import AccountDay

_BUSIEST = 10
_LARGEST = 5


@click.command(cls=BilingualCommand)
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("demo"),
    show_default=True,
    help="Folder for the day log and the books. / 存放日志与账簿的目录。",
)
@options.seed
@options.force
@options.dry_run
@options.as_json
def demo(folder: Path, seed: int, force: bool, dry_run: bool, as_json: bool) -> None:
    """Trade, replay and settle one day of real demand, and show the results.

    以真实需求演示一天：下单、撮合、结算与出账。
    """
    from exchange.flow.demonstration import demonstrate, outputs

    clear_outputs(outputs(folder), force=force, remove=not dry_run)
    if dry_run:
        paths = [str(path) for path in outputs(folder)]
        print_json({"would_write": paths}) if as_json else click.echo(
            f"would write {' and '.join(paths)}"
        )
        return
    with Stages() as stages:
        shown = demonstrate(folder, seed=seed, compiling=note_compiling, progress=stages)
    print_json(_document(shown, seed)) if as_json else _show(shown)


def _document(shown: "Demonstration", seed: int) -> dict[str, Any]:
    from dataclasses import asdict

    settlement = asdict(shown.settlement)
    return {
        "seed": seed,
        "note": shown.registry.note,
        "day_log": str(shown.day_log),
        "ledger": str(shown.ledger),
        "events_sha256": shown.replay.events_sha256,
        "commands": shown.replay.commands,
        "commands_by_kind": shown.replay.commands_by_kind,
        "events": shown.replay.events,
        "rejects": shown.replay.rejects,
        "blocks": shown.replay.blocks,
        "block_trades": shown.replay.block_trades,
        "block_lots": shown.replay.block_lots,
        "traded_blocks": [asdict(one) for one in shown.blocks],
        **settlement,
        "instruments_traded": settlement["instruments"],
        "instruments": [asdict(one) for one in shown.instruments],
        "accounts": [asdict(one) for one in shown.accounts],
        "elapsed_s": shown.elapsed_s,
    }


def _show(shown: "Demonstration") -> None:
    for part in (_numbers, _busiest, _blocks, _members, _vouchers, _balance, _next):
        click.echo(part(shown) + "\n")


def _numbers(shown: "Demonstration") -> str:
    registry, replay, settled = shown.registry, shown.replay, shown.settlement
    rows = [
        ("commands", f"{replay.commands:,}"),
        ("of them refused", f"{sum(replay.rejects.values()):,}"),
        ("events", f"{replay.events:,}"),
        ("instruments that traded", f"{settled.instruments:,} of {len(registry.instruments):,}"),
        ("trades", f"{settled.trades:,}"),
        ("volume, lots", f"{settled.volume:,}"),
        ("blocks that traded", f"{replay.block_trades:,} of {replay.blocks:,}"),
        ("lots in them", f"{replay.block_lots:,}"),
        ("turnover, CNY", cny(settled.turnover_fen)),
        ("fees, CNY", cny(settled.fees_fen)),
        ("vouchers, CNY", cny(settled.vouchers_fen)),
        ("service agreements", f"{settled.agreements:,}"),
        ("postings", f"{settled.postings:,}"),
    ]
    return (
        f"{registry.venue}, trading day {registry.trading_day}\n{_folded(registry.note)}\n\n"
        + table(("the day", ""), rows)
    )


def _blocks(shown: "Demonstration") -> str:
    """The largest blocks that were bought, and the number of blocks with a single supplier."""
    bought = [one for one in shown.blocks if one.side == "buy"]
    whole = sum(len({by["supplier"] for by in one.suppliers}) == 1 for one in bought)
    largest = sorted(bought, key=lambda one: (-one.hours * one.lots, one.trade_group))
    rows = [
        (
            one.account, one.first, one.hours, one.lots, one.average_ticks, cny(one.value_fen),
            len({by["supplier"] for by in one.suppliers}),
        )
        for one in largest[:_LARGEST]
    ]  # fmt: skip
    head = ("largest blocks", "first hour", "hours", "lots", "average", "CNY", "suppliers")
    said = f"{whole:,} of {len(bought):,} blocks bought have one supplier for all of their hours."
    return table(head, rows, left=2) + "\n\n" + said


def _busiest(shown: "Demonstration") -> str:
    rows = [
        (
            one.instrument,
            f"{one.volume:,}",
            *(
                "-" if ticks is None else cny(ticks * one.tick_fen)
                for ticks in (
                    one.settlement_ticks,
                    one.open_ticks,
                    one.high_ticks,
                    one.low_ticks,
                    one.close_ticks,
                )
            ),
            cny(one.turnover_fen),
        )
        for one in shown.instruments[:_BUSIEST]
    ]
    head = ("busiest instruments", "lots", "VWAP", "open", "high", "low", "close", "turnover, CNY")
    return table(head, rows)


def _members(shown: "Demonstration") -> str:
    buyers = [one for one in shown.accounts if one.role == "buyer" and one.bought]
    sellers = [one for one in shown.accounts if one.role == "supplier" and one.sold]
    paid = [
        (one.account, one.firm, f"{one.bought:,}", *map(cny, _paid_fen(one)))
        for one in sorted(buyers, key=lambda one: -one.bought_fen)
    ]
    earned = [
        (one.account, one.firm, f"{one.sold:,}", *map(cny, _earned_fen(one)))
        for one in sorted(sellers, key=lambda one: -one.sold_fen)
    ]
    return "\n\n".join(
        [
            table(
                ("who paid, CNY", "firm", "lots", "bought", "resold", "fees", "vouchers", "net"),
                paid,
                left=2,
            ),
            table(("who earned, CNY", "firm", "lots", "sold", "fees", "net"), earned, left=2),
        ]
    )


def _paid_fen(one: "AccountDay") -> tuple[int, ...]:
    net_fen = one.bought_fen - one.sold_fen + one.fees_fen - one.vouchers_fen
    return one.bought_fen, one.sold_fen, one.fees_fen, one.vouchers_fen, net_fen


def _earned_fen(one: "AccountDay") -> tuple[int, ...]:
    return one.sold_fen, one.fees_fen, one.sold_fen - one.bought_fen - one.fees_fen


def _vouchers(shown: "Demonstration") -> str:
    settled = shown.settlement
    models = {rule.id: rule.model for rule in shown.registry.programmes}
    rows = [
        (programme, models.get(programme, ""), cny(amount_fen))
        for programme, amount_fen in settled.vouchers_fen_by_programme.items()
    ]
    bindings = ", ".join(f"{name} {count:,}" for name, count in settled.voucher_bindings.items())
    head = ("what vouchers paid", "model", "CNY")
    return f"{table(head, rows, left=2)}\n  grants held by: {bindings}"


def _balance(shown: "Demonstration") -> str:
    totals_fen: dict[str, int] = {}
    for one in shown.trial_balance.accounts:
        kind = one.account.partition(":")[0]
        totals_fen[kind] = totals_fen.get(kind, 0) + one.balance_fen
    rows = [(kind, cny(fen)) for kind, fen in sorted(totals_fen.items())]
    rows.append(("sum", cny(shown.trial_balance.total_fen)))
    return table(("trial balance, CNY", ""), rows)


def _next(shown: "Demonstration") -> str:
    account = shown.accounts[0].account
    took = ", ".join(f"{stage} {time_s:.1f} s" for stage, time_s in shown.elapsed_s.items())
    return (
        f"files\n  {shown.day_log}  the day, every command of it\n"
        f"  {shown.ledger}  the books\n"
        f"  events sha256 {shown.replay.events_sha256}\n"
        f"  {took}\n\n"
        "what to try next\n"
        f"  suanshi replay {shown.day_log} --batch 7        the same events, to the bit\n"
        f"  suanshi verify {shown.day_log}                  everything done again and compared\n"
        f"  suanshi settle {shown.day_log}                  settled already: changes nothing\n"
        f"  suanshi ledger statement {shown.ledger} {account}"
    )


def _folded(text: str, width: int = 96) -> str:
    import textwrap

    return textwrap.fill(text, width)
