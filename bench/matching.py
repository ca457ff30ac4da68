"""`python -m bench matching`: run workloads, print what they show."""

import json
from typing import Any

import click

from bench.workloads import WORKLOADS


@click.command()
@click.option(
    "--workload",
    "names",
    multiple=True,
    type=click.Choice(list(WORKLOADS)),
    help="Run only this one; may be given again.",
)
@click.option("--commands", default=1 << 20, show_default=True, type=click.IntRange(min=1))
@click.option("--repeats", default=7, show_default=True, type=click.IntRange(min=1))
@click.option("--seed", default=1, show_default=True, type=click.IntRange(min=0))
@click.option("--by-kind", is_flag=True, help="Also time streams of one kind of command each.")
@click.option("--second/--no-second", default=True, help="Measure the next seed too.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def matching(
    *,
    names: tuple[str, ...],
    commands: int,
    repeats: int,
    seed: int,
    by_kind: bool,
    second: bool,
    as_json: bool,
) -> None:
    """Measure the matching engine against a floor that only copies."""
    from bench import report

    rows = []
    for name in names or WORKLOADS:
        row = run_workload(name, commands, repeats, seed, by_kind=by_kind)
        if second:
            other = run_workload(name, commands, repeats, seed + 1)
            row["second_seed"] = {
                key: other[key] for key in ("seed", "commands_per_s", "ratio", "events_sha256")
            }
        rows.append(row)
    if as_json:
        result = {"machine": report.machine(), "method": report.METHOD, "workloads": rows}
        click.echo(json.dumps(result, indent=2))
    else:
        click.echo("\n".join([report.HEAD, *map(report.line, rows)]))


def run_workload(
    name: str, commands: int, repeats: int, seed: int, *, by_kind: bool = False
) -> dict[str, Any]:
    """Record and measure one workload from one seed."""
    from bench.by_kind import by_kind as time_kinds
    from bench.flow import record
    from bench.measure import measure
    from bench.report import workload_row

    def say(text: str) -> None:
        click.echo(f"{name} seed {seed}: {text}", err=True)

    say(f"generating {commands:,} commands")
    recording = record(WORKLOADS[name], commands, seed)
    row = workload_row(recording, measure(recording, repeats, say))
    if by_kind:
        row["by_kind"] = time_kinds(recording, repeats)
        for kind, figures in row["by_kind"].items():
            say(f"{kind}: {figures['ns']} ns, {figures['events']} events")
    return row
