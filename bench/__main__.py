"""Measurements of the exchange: `python -m bench --help`."""

import click

from bench.conformance import conformance


@click.group()
def main() -> None:
    """Measure the exchange, or compare it with others."""


main.add_command(conformance)

if __name__ == "__main__":
    main()
