"""Measurements of the exchange: `python -m bench --help`."""

import click

from bench.bare import bare
from bench.blocks import blocks
from bench.conformance import conformance
from bench.harness.adapter import adapter
from bench.harness.command import harness
from bench.ledger import ledger
from bench.matching import matching
from bench.plot import plot
from bench.tricks import tricks
from bench.wire import wire


@click.group()
def main() -> None:
    """Measure the exchange, or compare it with others."""


main.add_command(adapter)
main.add_command(bare)
main.add_command(blocks)
main.add_command(conformance)
main.add_command(harness)
main.add_command(ledger)
main.add_command(matching)
main.add_command(plot)
main.add_command(tricks)
main.add_command(wire)

if __name__ == "__main__":
    main()
