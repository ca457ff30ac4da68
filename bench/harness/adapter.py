"""`python -m bench adapter`: our engine as a shared library that the public harness loads."""

import subprocess
import tempfile
from pathlib import Path

import click

from matching.native.__main__ import write

HERE = Path(__file__).parent
API = "matching_engine_api.h"
CORE = ("suanshi.c", "suanshi_core.o")
FLAGS = ("-std=c11", "-O2", "-fPIC", "-shared")
NAME = "suanshi_adapter.so"

Folder = click.Path(exists=True, file_okay=False, path_type=Path)

MESSAGE = """\
{library}

In the harness's folder:
  ./harness --engine {library} --scenario normal                  batches, own ring
  ME_NO_BATCH=1 ./harness --engine {library} --scenario normal    message by message
With SUANSHI_QUEUE=harness reports go over the harness's queue. With SUANSHI_LOOKAHEAD=1 the engine
prefetches for later messages of a batch, which the harness's rules do not allow.
"""


def build(harness: Path, library: Path) -> None:
    """Compile the machine and link it with adapter.c. Raises ValueError where that fails."""
    api = harness / "api"
    if not (api / API).is_file():
        raise ValueError(f"{harness}: not the harness's folder: it has no api/{API}")
    with tempfile.TemporaryDirectory() as scratch:
        write(Path(scratch))
        parts = [HERE / "adapter.c", *(Path(scratch) / name for name in CORE)]
        include = [f"-I{api.resolve()}", f"-I{scratch}"]
        command = ["cc", *FLAGS, *include, "-o", str(library), *map(str, parts)]
        try:
            subprocess.run(command, check=True, capture_output=True, text=True)
        except FileNotFoundError:
            raise ValueError("linking the adapter needs a C compiler, `cc`") from None
        except subprocess.CalledProcessError as error:
            raise ValueError(f"{library}: cc: {error.stderr}") from None


@click.command()
@click.option("--at", "harness", type=Folder, required=True, help="Folder of the built harness.")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help=f"The library to write.  [default: {NAME} in that folder]",
)
def adapter(harness: Path, output: Path | None) -> None:
    """Build our engine as a library for the public matching-engine benchmark.

    You download and build the benchmark: github.com/flash1-dev/matching-engine-benchmark.
    """
    library = (output or harness / NAME).resolve()
    try:
        build(harness, library)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    click.echo(MESSAGE.format(library=library))
