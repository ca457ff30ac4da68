"""`suanshi keys`: pairs of keys and what they entitle to."""

from pathlib import Path

import click

from exchange.commands import options
from exchange.commands.console import print_json
from exchange.commands.group import BilingualGroup
from exchange.commands.outcome import Refused


@click.group(cls=BilingualGroup)
def keys() -> None:
    """Make the keys that brokers and operators connect with.

    生成会员与运营人员接入所用的密钥。
    """


@keys.command("new")
@click.argument("name")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("venue/keys"),
    show_default=True,
    help="Where the venue looks for entitlements.",
)
@click.option(
    "--role",
    type=click.Choice(["trading", "read-only", "drop-copy", "market-data", "operator"]),
    default="trading",
    show_default=True,
    help="What the key is for.",
)
@click.option("--firm", type=click.IntRange(min=0), default=0, help="Number of the firm.")
@click.option(
    "--account", "accounts", type=click.IntRange(min=1), multiple=True, help="Only these accounts."
)
@click.option(
    "--orders-per-s", type=click.IntRange(1, 10_000_000), default=50_000, show_default=True,
    help="Commands that the session may send a second, and at once.",
)  # fmt: skip
@options.dry_run
@options.as_json
def new(
    name: str,
    folder: Path,
    role: str,
    firm: int,
    accounts: tuple[int, ...],
    orders_per_s: int,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Make a pair and its entitlement; a venue that runs knows it after `admin keys`.

    生成一对密钥及其权限文件；运行中的交易所须由管理员更新密钥后生效。
    """
    from feeds.protocol.keys import new_pair

    paths = [folder / f"{name}.secret", folder / f"{name}.toml"]
    if role in ("trading", "read-only", "drop-copy") and not firm:
        raise click.UsageError(f"--firm is needed for a key that is for {role}")
    taken = [path for path in paths if path.exists()]
    if taken:
        raise Refused(f"{taken[0]}: exists already; a key is never overwritten")
    if not dry_run:
        new_pair(
            folder,
            name,
            role=role,
            firm=firm,
            accounts=accounts,
            orders_per_s=orders_per_s,
            burst=orders_per_s,
        )
    document = {"would_write" if dry_run else "written": [str(path) for path in paths]}
    if as_json:
        print_json(document)
        return
    verb = "would write" if dry_run else "wrote"
    click.echo(f"{verb} {paths[0]} (for its owner alone) and {paths[1]} (for the venue)")
