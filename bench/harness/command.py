"""`python -m bench harness`: our engine and its peers in the public harness, run in turn."""

import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import click

from bench.harness.adapter import NAME, Folder, build
from bench.harness.runs import CANONICAL_SEED, SCENARIOS, Contender, Run, commit, ours, peers, run
from bench.machine import machine

METHOD = (
    "medians over rounds; in each round every engine once, one after the other, each run a process "
    "of its own with matcher and drainer on a core each; throughput is the harness's, by the wall "
    "clock, in perf mode; ratio: median of the rounds' own ratios to CppTrader; peers have the "
    "harness's queue, ours its own ring unless it says otherwise; an engine that needs more than "
    "20 s for a run has one"
)
YARDSTICK = "CppTrader"
SLOW_S = 20.0

Row = dict[str, Any]
Progress = Callable[[str], None]


class Disagreement(Exception):
    """Two engines have different reports, or an engine has not the reference's."""


@click.command()
@click.option("--at", "at", type=Folder, required=True, help="Folder of the built harness.")
@click.option("--rounds", default=7, show_default=True, type=click.IntRange(min=1))
@click.option(
    "--scenario",
    "scenarios",
    multiple=True,
    type=click.Choice(SCENARIOS),
    default=SCENARIOS,
    show_default=True,
)
@click.option(
    "--seed", "seeds", multiple=True, type=int, default=[CANONICAL_SEED], show_default=True
)
@click.option("--only", "names", multiple=True, help="Only engines of this name; CppTrader always.")
@click.option(
    "--library",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Our library, as `adapter` writes it.  [default: built for this run]",
)
@click.option("--audit", is_flag=True, help="Also run ours in audit mode, once a scenario.")
@click.option(
    "--cores", nargs=2, default=(0, 1), show_default=True, help="Cores of matcher and drainer."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def harness(
    *,
    at: Path,
    rounds: int,
    scenarios: tuple[str, ...],
    seeds: tuple[int, ...],
    names: tuple[str, ...],
    library: Path | None,
    audit: bool,
    cores: tuple[int, int],
    as_json: bool,
) -> None:
    """Run our engine and the peers that are built in the public harness in turn, and compare them.

    All engines must give the same reports, and for the canonical seed those of the reference.
    """
    with tempfile.TemporaryDirectory() as scratch:
        try:
            if library is None:
                library = Path(scratch) / NAME
                build(at, library)
            contenders = select_engines([*peers(at), *ours(library)], names)
            rows = [
                row
                for seed in seeds
                for scenario in scenarios
                for row in measure(at, contenders, scenario, seed, rounds, cores)
            ]
            audits = [run_audit(at, ours(library)[0], s, cores) for s in scenarios if audit]
        except ValueError as error:
            raise click.UsageError(str(error)) from None
        except Disagreement as error:
            click.echo(f"{error}", err=True)
            raise click.exceptions.Exit(1) from None
        result = {
            "harness": commit(at),
            "method": METHOD,
            "rounds": rounds,
            "machine": machine(),
            "engines": [contender.description() for contender in contenders],
            "rows": rows,
            "audits": audits,
        }
    for line in [json.dumps(result, indent=1)] if as_json else lines(result):
        click.echo(line)


def select_engines(contenders: list[Contender], names: tuple[str, ...]) -> list[Contender]:
    """Return the engines of these names and the yardstick; all engines without names.

    Raises ValueError for an unknown name.
    """
    known = {contender.name: contender for contender in contenders}
    for name in (*names, YARDSTICK):
        if name not in known:
            raise ValueError(f"no engine {name!r} there; there are {', '.join(known)}")
    wanted = {YARDSTICK, *(names or known)}
    return [contender for contender in contenders if contender.name in wanted]


def measure(
    at: Path,
    contenders: list[Contender],
    scenario: str,
    seed: int,
    rounds: int,
    cores: tuple[int, int],
) -> Iterator[Row]:
    """Run every engine once a round, and yield a row for each engine.

    An engine that needs more than SLOW_S runs once. Raises Disagreement where reports differ.
    """
    runs: dict[str, list[Run]] = {contender.name: [] for contender in contenders}
    for number in range(rounds):
        for contender in contenders:
            done = runs[contender.name]
            if not done or done[0].wall_s < SLOW_S:
                done.append(run(at, contender, scenario, seed, "perf", cores))
        check_reports(scenario, seed, runs)
        click.echo(f"{scenario}, seed {seed}: round {number + 1} of {rounds}", err=True)
    yardstick = [done.messages_per_s for done in runs[YARDSTICK]]
    for name, done in runs.items():
        rates = [one.messages_per_s for one in done]
        yield {
            "scenario": scenario,
            "seed": seed,
            "engine": name,
            "messages_per_s": round(median(rates)),
            "least": round(min(rates)),
            "most": round(max(rates)),
            "runs": len(rates),
            "ratio": round(median(a / b for a, b in zip(rates, yardstick, strict=False)), 3),
            "sha256": done[0].sha256,
        }


def check_reports(scenario: str, seed: int, runs: dict[str, list[Run]]) -> None:
    """Raise Disagreement unless all engines have the yardstick's reports.

    For the canonical seed the harness compares them with a reference too.
    """
    where = f"{scenario}, seed {seed}"
    first = runs[YARDSTICK][0].sha256
    for name, done in runs.items():
        if done[-1].sha256 != first:
            raise Disagreement(f"{where}: {name} and {YARDSTICK} have different reports")
        if seed == CANONICAL_SEED and not (done[-1].passed and done[-1].verdict == "VALID"):
            raise Disagreement(f"{where}: {name} is {done[-1].verdict} according to the harness")


def run_audit(at: Path, contender: Contender, scenario: str, cores: tuple[int, int]) -> Row:
    """Run an engine once in audit mode. Raises Disagreement where the audit does not pass."""
    done = run(at, contender, scenario, CANONICAL_SEED, "audit", cores)
    if not (done.audited and done.verdict == "VALID"):
        raise Disagreement(f"{scenario}: the audit of {contender.name} did not pass")
    return {"scenario": scenario, "seed": CANONICAL_SEED, "passed": True}


def lines(result: Row) -> Iterator[str]:
    """Yield the result as lines of a table."""
    yield f"{'scenario':<12} {'seed':>10} {'engine':<32} {'M msg/s':>8} {'(low-high)':>13} ratio"
    for row in result["rows"]:
        span = f"({row['least'] / 1e6:.2f}-{row['most'] / 1e6:.2f})"
        yield (
            f"{row['scenario']:<12} {row['seed']:>10} {row['engine']:<32} "
            f"{row['messages_per_s'] / 1e6:>8.2f} {span:>13} {row['ratio']:>5.2f}"
        )
    if result["audits"]:
        yield f"audit passed: {', '.join(row['scenario'] for row in result['audits'])}"
    for engine in result["engines"]:
        yield f"{engine['name']}: {engine['version']}, {engine['compiler']}, {engine['flags']}"
    yield f"harness {result['harness']}, {result['rounds']} rounds"
    yield ", ".join(f"{name} {value}" for name, value in result["machine"].items())
