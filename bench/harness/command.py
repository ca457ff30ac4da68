"""`python -m bench harness`: our engine and its peers in the public harness, in one loop."""

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
    """Engines that must agree do not."""


@click.command()
@click.option("--at", "at", type=Folder, required=True, help="The harness that you built.")
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
    help="Our library, as `adapter` wrote it.  [default: built anew]",
)
@click.option("--audit", is_flag=True, help="Also run ours in audit mode, once a scenario.")
@click.option(
    "--cores", nargs=2, default=(0, 1), show_default=True, help="Matcher's and drainer's."
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
    """Run our engine and the peers built in the public harness in turn, and compare them.

    All engines must give the same reports; for the canonical seed, the reference's.
    """
    with tempfile.TemporaryDirectory() as scratch:
        try:
            if library is None:
                library = Path(scratch) / NAME
                build(at, library)
            contenders = chosen([*peers(at), *ours(library)], names)
            rows = [
                row
                for seed in seeds
                for scenario in scenarios
                for row in measure(at, contenders, scenario, seed, rounds, cores)
            ]
            audits = [audit_of(at, ours(library)[0], s, cores) for s in scenarios if audit]
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
            "engines": [contender.described() for contender in contenders],
            "rows": rows,
            "audits": audits,
        }
    for line in [json.dumps(result, indent=1)] if as_json else lines(result):
        click.echo(line)


def chosen(contenders: list[Contender], names: tuple[str, ...]) -> list[Contender]:
    """The engines of these names and the yardstick. Raises ValueError for a name that is none."""
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
    """Every engine once a round; a row an engine. Raises Disagreement where reports differ."""
    runs: dict[str, list[Run]] = {contender.name: [] for contender in contenders}
    for number in range(rounds):
        for contender in contenders:
            done = runs[contender.name]
            if not done or done[0].wall_s < SLOW_S:
                done.append(run(at, contender, scenario, seed, "perf", cores))
        check(scenario, seed, runs)
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


def check(scenario: str, seed: int, runs: dict[str, list[Run]]) -> None:
    """Raise Disagreement unless all have the same reports: the reference's, if there is one."""
    where = f"{scenario}, seed {seed}"
    first = runs[YARDSTICK][0].sha256
    for name, done in runs.items():
        if done[-1].sha256 != first:
            raise Disagreement(f"{where}: {name} and {YARDSTICK} have different reports")
        if seed == CANONICAL_SEED and not (done[-1].passed and done[-1].verdict == "VALID"):
            raise Disagreement(f"{where}: {name} is {done[-1].verdict}, says the harness")


def audit_of(at: Path, contender: Contender, scenario: str, cores: tuple[int, int]) -> Row:
    """One run in audit mode. Raises Disagreement where the book was not what it should be."""
    done = run(at, contender, scenario, CANONICAL_SEED, "audit", cores)
    if not (done.audited and done.verdict == "VALID"):
        raise Disagreement(f"{scenario}: the audit of {contender.name} did not pass")
    return {"scenario": scenario, "seed": CANONICAL_SEED, "passed": True}


def lines(result: Row) -> Iterator[str]:
    """The result as a table for people."""
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
