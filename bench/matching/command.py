"""`python -m bench matching`: run workloads, print what they show."""

import json
from typing import Any

import click

from bench.workloads import WORKLOADS

Result = dict[str, Any]

USUAL = "plain-10k"  # latency and peers are measured on this one


@click.command()
@click.option(
    "--workload",
    "names",
    multiple=True,
    type=click.Choice(list(WORKLOADS)),
    help="Run only this one; may be given again. Without: all of them.",
)
@click.option(
    "--commands",
    default=1 << 20,
    show_default=True,
    type=click.IntRange(min=4_096),
    help="Commands measured of each workload.",
)
@click.option("--repeats", default=7, show_default=True, type=click.IntRange(min=1))
@click.option("--seed", default=1, show_default=True, type=click.IntRange(min=0))
@click.option("--second/--no-second", default=True, help="Measure the next seed too (default).")
@click.option("--by-kind", is_flag=True, help="Also time streams of one kind of command each.")
@click.option(
    "--system/--no-system",
    default=None,
    help="Start-up times and resident memory, in other processes. Default: if all workloads run.",
)
@click.option(
    "--extras/--no-extras", default=True, help="Latency and peers on plain-10k (default)."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def matching(*, names: tuple[str, ...], system: bool | None, as_json: bool, **options: Any) -> None:
    """Measure the matching engine against a floor that only copies.

    Progress goes to stderr. Latency and peers (engines that pip installs, where they are) belong
    to plain-10k. Figures need an idle machine; ratios suffer less from a busy one.
    """
    from bench import report

    if not as_json:
        click.echo(report.HEAD)
    rows: list[Result] = []
    result: Result = {"machine": report.machine(), "method": report.METHOD, **options}
    for name in names or WORKLOADS:
        row, more = run_workload(name, **options)
        rows.append(row)
        result.update(more)
        if not as_json:
            click.echo(report.line(row))
    result = {**result, "workloads": rows}
    if system or (system is None and not names):
        result.update(run_system())
    if as_json:
        click.echo(json.dumps(result, indent=2))
    else:
        click.echo("\n".join(report.more_lines(result)))


def run_workload(
    name: str,
    *,
    commands: int,
    repeats: int,
    seed: int,
    second: bool,
    by_kind: bool,
    extras: bool,
) -> tuple[Result, Result]:
    """Record and measure one workload; its row, and what belongs to the usual one beside it."""
    from bench import report
    from bench.by_kind import by_kind as time_kinds
    from bench.flow import record
    from bench.latency import latency
    from bench.measure import measure
    from bench.peers import peers

    def say(text: str) -> None:
        click.echo(f"{name}: {text}", err=True)

    rows: list[Result] = []
    more: Result = {}
    for number in (seed, seed + 1) if second else (seed,):
        say(f"seed {number}: generating {commands:,} commands")
        recording = record(WORKLOADS[name], commands, number)
        rows.append(report.workload_row(recording, measure(recording, repeats, say)))
        if number == seed and by_kind:
            rows[0]["by_kind"] = time_kinds(recording, repeats)
        if number == seed and name == USUAL and extras:
            more["peers"] = peers(recording, say)
            try:
                more["latency"] = latency(recording)
            except ImportError as error:
                say(f"latency left out ({error}): pip install hdrhistogram")
    if second:
        rows[0]["second_seed"] = report.second_row(rows[1])
    return rows[0], more


def run_system() -> Result:
    """What is measured in processes of their own."""
    from bench.memory import memory
    from bench.startup import startup

    click.echo("start-up, compiling once (a minute or so), and memory", err=True)
    return {"startup": startup(), "memory": memory()}
