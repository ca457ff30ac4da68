"""`suanshi verify`: the books compared with everything recomputed from the day log."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from exchange.commands import options
from exchange.commands.bilingual import BilingualCommand
from exchange.commands.console import Stages, note, note_compiling, print_json
from exchange.commands.inputs import ledger_path
from exchange.commands.outcome import ExitCode

if TYPE_CHECKING:
    from exchange.days.engines import EngineName


@click.command(cls=BilingualCommand)
@options.day_log
@options.ledger
@options.engine
@options.as_json
def verify(day_log: Path, ledger: Path | None, engine: "EngineName", as_json: bool) -> ExitCode:
    """Recompute a settled day from its log and list every difference from the books.

    由日志重新计算一天，与账簿逐项核对。
    """
    from exchange.days.engines import open_engine
    from ledger.proof.verify import verify as run

    path = ledger_path(ledger, day_log)
    note(f"verifying {path} against {day_log} ...")
    with Stages() as stages:
        differences = run(
            path, day_log, lambda limits: open_engine(engine, limits, compiling=note_compiling),
            stages,
        )  # fmt: skip
    if as_json:
        document = {
            "day_log": str(day_log),
            "ledger": str(path),
            "ok": not differences,
            "differences": differences,
        }
        print_json(document)
    elif differences:
        click.echo("\n".join(differences))
        note(f"{len(differences)} differences")
    else:
        click.echo(f"{path}: everything agrees with {day_log}")
    return ExitCode.DIFFERENCES if differences else ExitCode.DONE
