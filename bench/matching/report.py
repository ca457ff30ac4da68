"""Results of `python -m bench matching`: rows of its JSON, and a table."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from bench.matching.measure import Rates
from bench.workloads.recording import Recording

Row = dict[str, Any]

METHOD = (
    "medians over repeats in turn (engine, floor, copyto) of process CPU time; batches of 4,096 of "
    "one recorded stream, on a machine warmed up afresh, all after the caches were written over; "
    "ratio: median of the repeats' engine / floor; floor_cached: over a stream that stays in the "
    "cache; latency by the wall clock"
)

SECOND_FIELDS = ("seed", "commands_per_s", "floor_per_s", "ratio", "events_sha256")

HEAD = (
    f"{'workload':<14} {'resting':>9} {'M cmd/s':>8} {'ratio':>6} {'(low-high)':>13} "
    f"{'floor':>6} {'copyto':>6} {'trades':>7} {'rejects':>7} {'2nd seed':>14}"
)


def workload_row(recording: Recording, rates: Rates) -> Row:
    """Return one element of `workloads` in the JSON."""
    workload, tally = recording.workload, recording.tally
    return {
        "workload": workload.name,
        "commands": len(recording.stream),
        "resting": recording.resting,
        "resting_least": min(tally.resting),
        "resting_most": max(tally.resting),
        "instruments": workload.size.instruments,
        "accounts": workload.accounts,
        "seed": recording.seed,
        "trades": tally.trades,
        "rejects": sum(tally.rejects.values()),
        "reject_reasons": dict(sorted(tally.rejects.items())),
        "events": tally.events,
        "event_kinds": dict(sorted(tally.kinds.items())),
        "events_sha256": tally.sha256,
        **{name: _rounded(value) for name, value in asdict(rates).items()},
    }


def second_row(row: Row) -> Row:
    """Return the fields of another seed's row that are printed beside the first seed's."""
    return {name: row[name] for name in SECOND_FIELDS}


def _rounded(value: float) -> float:
    return round(value) if value > 1_000 else round(value, 4)


def line(row: Row) -> str:
    """Return a row as a line of the table, with a line for each kind of command if measured."""
    count = row["commands"]
    second = row.get("second_seed")
    other = f"{second['commands_per_s'] / 1e6:.2f} / {second['ratio']:.3f}" if second else "-"
    span = f"({row['ratio_least']:.3f}-{row['ratio_most']:.3f})"
    kinds = "".join(
        f"\n{'':<14} {kind:>9} {figures['ns']:>8.1f} ns, {figures['events']:g} events"
        for kind, figures in row.get("by_kind", {}).items()
    )
    return (
        f"{row['workload']:<14} {row['resting']:>9,} {row['commands_per_s'] / 1e6:>8.2f} "
        f"{row['ratio']:>6.3f} {span:>13} {row['floor_per_s'] / 1e6:>6.1f} "
        f"{row['copyto_per_s'] / 1e6:>6.1f} {row['trades'] / count:>7.1%} "
        f"{row['rejects'] / count:>7.2%} {other:>14}{kinds}"
    )


def more_lines(result: Row) -> Iterator[str]:
    """Yield the lines below the table: latency, peers, start-up, memory, as far as measured."""
    for row in result.get("latency", ()):
        times = "  ".join(
            f"{name.removesuffix('_ns')} {value / 1_000:,.1f}"
            for name, value in row.items()
            if name.endswith("_ns")
        )
        yield f"latency, us     batch of {row['batch']:<4} {times}"
    for row in result.get("peers", ()):
        yield (
            f"peer            {row['peer']} {row['version']}: {row['commands_per_s']:,} "
            f"commands/s; the engine, one by one: {row['engine_one_by_one_per_s']:,}"
        )
    if start := result.get("startup"):
        yield (
            f"start, s        compiling {start['compiling_wall_s']} "
            f"(CPU {start['compiling_cpu_s']}), cached {start['cached_wall_s']} "
            f"(CPU {start['cached_cpu_s']})"
        )
    if memory := result.get("memory"):
        for spread in ("near", "anywhere"):
            yield (
                f"memory, MB      {memory['instruments']:,} instruments, "
                f"{memory['resting']:,} orders, prices {spread}: "
                f"{memory[spread]['resident_mb']:,.0f}"
            )
    yield (
        f"streams         {result['commands']:,} commands each from seed {result['seed']}"
        f"{', then the next' if result['second'] else ''}; {result['repeats']} repeats"
    )
    yield f"machine         {', '.join(f'{k} {v}' for k, v in result['machine'].items())}"
