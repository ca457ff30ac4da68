"""`suanshi contracts`: lists of the contracts, circles, baskets and instruments of a venue."""

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from exchange.commands import options
from exchange.commands.bilingual import BilingualCommand
from exchange.commands.console import cny, print_json, shanghai_time, table

if TYPE_CHECKING:
    from exchange.definition.contracts import Venue
    from ledger.daylog.registry import Instrument


@click.command(cls=BilingualCommand)
@options.venue
@click.option(
    "--day", metavar="YYYY-MM-DD",
    help="List the instruments that deliver on this day. / 列出该日交割的合约。",
)  # fmt: skip
@click.option(
    "--metro",
    help="List the contracts near this city, the nearest first, and their baskets. / "
    "列出该城市时延圈内的品种（由近及远）及相关组合。",
)
@click.option(
    "--within-ms",
    type=click.FloatRange(0, 1_000),
    default=1_000,
    show_default=True,
    help="With --metro: greatest latency of a hub in ms, one way. / "
    "与 --metro 合用：枢纽的最大单向时延（毫秒）。",
)
@click.option(
    "--need",
    help="With --metro: a chip, for contracts of chips that can replace it, or a class such as "
    "PF16. / 与 --metro 合用：芯片型号（含可替代芯片）或类别，如 PF16。",
)
@click.option(
    "--days",
    type=click.IntRange(1, 366),
    default=1,
    show_default=True,
    help="With --day: number of delivery days. / 与 --day 合用：交割日的天数。",
)
@options.as_json
def contracts(
    venue: Path | None,
    day: str | None,
    metro: str | None,
    within_ms: float,
    need: str | None,
    days: int,
    as_json: bool,
) -> None:
    """List contracts, hubs and chips; or contracts near a city; or the instruments of a day.

    列出品种、枢纽与芯片，或某城市时延圈内的品种与组合，或某日的合约。
    """
    from exchange.definition.calendar import parse_day
    from exchange.definition.contracts import read_venue
    from exchange.definition.instruments import instruments

    definition = read_venue(venue)
    if metro is not None:
        if day is not None:
            raise click.UsageError("--metro and --day are two different lists; give one of them")
        near = _circle_document(definition, metro, within_ms, need)
        print_json(near) if as_json else _show_circle(near)
        return
    if need is not None:
        raise click.UsageError("--need needs --metro CITY")
    if day is None:
        print_json(_document(definition)) if as_json else _show(definition)
        return
    first_day: date = parse_day(day)
    listed = instruments(definition.contracts, first_day, days)
    print_json(_instruments_document(listed)) if as_json else _show_instruments(listed)


def _document(venue: "Venue") -> dict[str, Any]:
    import msgspec

    from exchange.definition.contracts import list_contracts

    return {
        "venue": venue.venue,
        "contracts": list_contracts(venue),
        "hubs": msgspec.to_builtins(venue.hubs),
        "chips": msgspec.to_builtins(venue.chips),
        "programmes": msgspec.to_builtins(venue.programmes),
        "baskets": msgspec.to_builtins(venue.baskets),
    }


def _circle_document(
    venue: "Venue", metro: str, within_ms: float, need: str | None
) -> dict[str, Any]:
    """The contracts of a circle, and the baskets that hold any of them, for JSON."""
    from exchange.definition.baskets import circle

    metros = sorted({name for hub in venue.hubs for name in hub.latency_us})
    if metro.lower() not in metros:
        raise click.UsageError(
            f"no hub has a latency to {metro}; the metros are {', '.join(metros)}"
        )
    classes = {contract.code.partition(".")[0] for contract in venue.contracts}
    needs = sorted({chip.code for chip in venue.chips} | classes)
    if need is not None and need.upper() not in needs:
        raise click.UsageError(f"there is no chip or class {need}; there are {', '.join(needs)}")
    found = circle(
        venue.contracts, venue.hubs, venue.chips, metro=metro,
        within_us=round(within_ms * 1_000), need=need and need.upper(),
    )  # fmt: skip
    latency_us = {contract.code: us for contract, us in found}
    hubs = {hub.code: hub for hub in venue.hubs}
    return {
        "metro": metro.lower(),
        "within_ms": within_ms,
        "need": need and need.upper(),
        "contracts": [
            {
                "contract": contract.code,
                "product": contract.product,
                "hub": contract.hub,
                "city": hubs[contract.hub].city,
                "chips": list(contract.chips),
                "latency_us": us,
                "tick_fen": contract.tick_fen,
                "reference_fen": contract.reference_ticks * contract.tick_fen,
            }
            for contract, us in found
        ],
        "baskets": [
            {"basket": basket.code, "number": basket.id, "contracts": list(basket.contracts)}
            for basket in venue.baskets
            if any(code in latency_us for code in basket.contracts)
        ],
    }


def _show_circle(near: dict[str, Any]) -> None:
    rows = [
        (one["contract"], one["product"], one["city"], ", ".join(one["chips"]),
         f"{one['latency_us'] / 1_000:g}", cny(one["tick_fen"]), cny(one["reference_fen"]))
        for one in near["contracts"]
    ]  # fmt: skip
    need = f" for the need {near['need']}" if near["need"] else ""
    within = f"within {near['within_ms']:g} ms of {near['metro']}"
    click.echo(f"{len(rows)} contracts{need} {within}, the nearest first\n")
    head = ("contract", "product", "city", "chips", "ms", "tick", "reference")
    click.echo(table(head, rows, left=4))
    named = {one["contract"] for one in near["contracts"]}
    baskets = [
        (one["basket"], one["number"],
         ", ".join(c if c in named else f"({c})" for c in one["contracts"]))
        for one in near["baskets"]
    ]  # fmt: skip
    click.echo("\n" + table(("basket", "number", "holds, as listed; (outside)"), baskets, left=1))


def _show(venue: "Venue") -> None:
    from exchange.definition.contracts import list_contracts

    rows = [
        (
            row["contract"],
            row["product"],
            row["city"],
            row["tier"],
            cny(row["tick_fen"]),
            cny(row["reference_fen"]),
            f"{cny(row['band_low_fen'])} - {cny(row['band_high_fen'])}",
            f"{row['maker_fee_ppm'] / 100:g} / {row['taker_fee_ppm'] / 100:g}",
        )
        for row in list_contracts(venue)
    ]
    head = ("contract", "product", "city", "tier", "tick", "reference", "band", "fees, bp")
    click.echo(f"{venue.venue}: {len(rows)} contracts; prices in CNY, fees of maker / taker\n")
    click.echo(table(head, rows, left=4))
    hubs = [
        (hub.code, hub.name, hub.name_zh, hub.province, hub.tier, _nearest_metros(hub.latency_us))
        for hub in venue.hubs
    ]
    click.echo("\n" + table(("hub", "name", "名称", "province", "tier", "metros"), hubs, left=6))
    chips = [
        (chip.code, chip.vendor, chip.confidence, f"{chip.dense_fp16_tflops:,}", _gpu_hours(chip))
        for chip in venue.chips
    ]
    chip_head = ("chip", "vendor", "confidence", "dense FP16, TFLOPS", "GPU-hours a PFLOPS-day")
    click.echo("\n" + table(chip_head, chips, left=3))
    programmes = [
        (f"{rule.id} v{rule.version}", rule.model, f"{rule.rate_bp / 100:g}%", rule.place)
        for rule in venue.programmes
    ]
    click.echo("\n" + table(("voucher programme", "model", "rate", "place"), programmes, left=4))
    baskets = [(basket.code, basket.id, ", ".join(basket.contracts)) for basket in venue.baskets]
    click.echo("\n" + table(("basket", "number", "holds, as listed"), baskets, left=1))


def _nearest_metros(latency_us: dict[str, int], count: int = 3) -> str:
    near = sorted(latency_us.items(), key=lambda pair: pair[1])[:count]
    return ", ".join(f"{metro} {us / 1_000:g} ms" for metro, us in near)


def _gpu_hours(chip: Any) -> str:
    """GPU-hours of a chip that make one PFLOPS-day."""
    return f"{24_000 / chip.dense_fp16_tflops:.2f}"


def _instruments_document(listed: "tuple[Instrument, ...]") -> dict[str, Any]:
    import msgspec

    return {"instruments": msgspec.to_builtins(listed)}


def _show_instruments(listed: "tuple[Instrument, ...]") -> None:
    rows = [
        (one.id, one.symbol, shanghai_time(one.gate_s), shanghai_time(one.delivery_start_s))
        for one in listed
    ]
    click.echo(table(("id", "instrument", "trades until", "delivers from"), rows, left=4))
