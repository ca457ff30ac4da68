"""Measurements of the exchange: `python -m bench --help`."""

import click

from bench.conformance import conformance
from bench.matching import matching
from bench.plot import plot


@click.group()
def main() -> None:
    """Measure the exchange, or compare it with others."""


main.add_command(conformance)
main.add_command(matching)
main.add_command(plot)

if __name__ == "__main__":
    main()
