"""The command line of the measurements: `python -m bench --help`."""

import click

from bench.compare import compare, measure_side
from bench.harness.adapter import adapter
from bench.harness.command import harness
from bench.harness.conformance import conformance
from bench.ledger.command import ledger
from bench.matching.bare import bare
from bench.matching.blocks import blocks
from bench.matching.command import matching
from bench.matching.tricks import tricks
from bench.matching.worst import worst
from bench.plot import plot
from bench.wire.command import wire


@click.group()
def main() -> None:
    """Measure the exchange, or compare it with others."""


COMMANDS = (
    adapter, bare, blocks, compare, conformance, harness, ledger, matching, measure_side, plot,
    tricks, wire, worst,
)  # fmt: skip
for command in COMMANDS:
    main.add_command(command)

if __name__ == "__main__":
    main()
