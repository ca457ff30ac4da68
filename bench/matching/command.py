"""`python -m bench matching`: measure workloads, and print the results."""

import json
from typing import Any

import click

from bench.machine import machine
from bench.matching import report
from bench.matching.timing import progress_on_stderr
from bench.workloads.definitions import WORKLOADS

Result = dict[str, Any]

EXTRAS_WORKLOAD = "plain-10k"  # latency and peers are measured on this one


@click.command()
@click.option(
    "--workload",
    "names",
    multiple=True,
    type=click.Choice(list(WORKLOADS)),
    help="Run only this workload; may be given again. Default: all workloads.",
)
@click.option(
    "--commands",
    default=1 << 20,
    show_default=True,
    type=click.IntRange(min=4_096),
    help="Commands of each measured stream.",
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
    """Measure the matching engine against a kernel that only copies (the floor).

    Progress goes to stderr. Latency and peers (other engines, where pip has installed them) are
    measured on plain-10k. Rates need an idle machine; ratios are less sensitive to other load.
    """
    if not as_json:
        click.echo(report.HEAD)
    rows: list[Result] = []
    result: Result = {"machine": machine(), "method": report.METHOD, **options}
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
    """Record and measure one workload.

    Returns its row, and latency and peers where they were measured on it.
    """
    from bench.matching.by_kind import by_kind as time_kinds
    from bench.matching.latency import latency
    from bench.matching.measure import measure
    from bench.matching.peers import peers
    from bench.workloads.recording import record

    progress = progress_on_stderr(name)
    rows: list[Result] = []
    more: Result = {}
    for number in (seed, seed + 1) if second else (seed,):
        progress(f"seed {number}: generating {commands:,} commands")
        recording = record(WORKLOADS[name], commands, number)
        rows.append(report.workload_row(recording, measure(recording, repeats, progress)))
        if number == seed and by_kind:
            rows[0]["by_kind"] = time_kinds(recording, repeats)
        if number == seed and name == EXTRAS_WORKLOAD and extras:
            more["peers"] = peers(recording, progress)
            try:
                more["latency"] = latency(recording)
            except ImportError as error:
                progress(f"latency left out ({error}): pip install hdrhistogram")
    if second:
        rows[0]["second_seed"] = report.second_row(rows[1])
    return rows[0], more


def run_system() -> Result:
    """Measure start-up time and memory, in child processes."""
    from bench.matching.memory import memory
    from bench.matching.startup import startup

    click.echo("start-up, with one compilation (about a minute), and memory", err=True)
    return {"startup": startup(), "memory": memory()}
