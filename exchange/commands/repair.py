"""`suanshi repair`: the proven beginning of a damaged day log is kept, the rest is set aside."""

from dataclasses import asdict
from pathlib import Path

import click

from exchange.commands import options
from exchange.commands.bilingual import BilingualCommand
from exchange.commands.console import print_json


@click.command(cls=BilingualCommand)
@options.day_log
@options.dry_run
@options.as_json
def repair(day_log: Path, dry_run: bool, as_json: bool) -> None:
    """End a damaged day log before the damage; set the rest aside and say what was in it.

    修复受损日志：保留可验证的前段，其余另存并说明内容。
    """
    from ledger.daylog.repair import find_damage
    from ledger.daylog.repair import repair as run

    damage = find_damage(day_log)
    if damage is not None and not dry_run:
        run(damage)
    if as_json:
        found = {} if damage is None else asdict(damage) | {"set_aside": damage.set_aside}
        print_json({"day_log": str(day_log), "damaged": damage is not None, "dry_run": dry_run}
                   | {k: str(v) if isinstance(v, Path) else v for k, v in found.items()
                      if k != "path"})  # fmt: skip
        return
    if damage is None:
        click.echo(f"{day_log}: is not damaged; nothing was changed")
        return
    would = "would be" if dry_run else "are"
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in damage.lost_commands.items())
    names = ", ".join(f"{session} ({count:,})" for session, count in damage.lost_sessions.items())
    click.echo(
        f"{day_log}: damaged at offset {damage.offset}: {damage.rule}\n"
        f"the {damage.commands:,} commands before it {would} kept\n"
        f"{damage.lost_bytes:,} bytes from offset {damage.end} on {would} set aside in "
        f"{damage.set_aside}\n"
        f"what can be seen there, unproven: {kinds or 'no whole command'}"
        + (f"; of sessions {names}" if names else "")
        + ("; and the SEAL of the day" if damage.was_sealed else "")
    )
    if damage.was_sealed:
        click.echo(
            "the day was over: a backup of its log is better than this beginning, and the only one "
            "that agrees with books that have settled it"
        )
    else:
        click.echo(
            "answers to the commands behind the damage may have reached their brokers: tell these "
            "sessions that their orders after the last kept command are void"
        )
