"""`suanshi keys`: key pairs and their entitlements."""

from pathlib import Path

import click

from exchange.commands import options
from exchange.commands.bilingual import BilingualGroup, argument
from exchange.commands.console import print_json
from exchange.commands.outcome import Refused


@click.group(cls=BilingualGroup)
def keys() -> None:
    """Make the keys with which brokers and operators log on.

    生成会员与运营人员登录所用的密钥。
    """


@keys.command("new")
@argument("name", help="Name of the session. / 席位名称。")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("venue/keys"),
    show_default=True,
    help="The venue's folder of keys. / 交易所的密钥目录。",
)
@click.option(
    "--role",
    type=click.Choice(["trading", "read-only", "drop-copy", "market-data", "operator"]),
    default="trading",
    show_default=True,
    help="Role of the key. / 密钥用途。",
)
@click.option(
    "--firm", type=click.IntRange(min=0), default=0,
    help="Number of the firm; trading, read-only and drop-copy keys need it. / "
    "会员编号；交易、只读与抄送密钥必填。",
)  # fmt: skip
@click.option(
    "--account", "accounts", type=click.IntRange(min=1), multiple=True,
    help="Entitle to this account only; may be repeated. By default to all of the firm. / "
    "仅授权该账户，可重复填写；默认授权会员的全部账户。",
)  # fmt: skip
@click.option(
    "--orders-per-s", type=click.IntRange(1, 10_000_000), default=50_000, show_default=True,
    help="Limit of commands a second, and of commands in one burst. / 每秒及单次突发的指令数上限。",
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
    """Make a key pair and its entitlement; a running venue accepts it after `admin keys`.

    生成一对密钥及其权限文件；运行中的交易所须执行 admin keys 后生效。
    """
    from feeds.protocol.keys import new_pair

    paths = [folder / f"{name}.secret", folder / f"{name}.toml"]
    if role in ("trading", "read-only", "drop-copy") and not firm:
        raise click.UsageError(f"--role {role} needs --firm NUMBER")
    taken = [path for path in paths if path.exists()]
    if taken:
        raise Refused(
            f"{taken[0]}: exists already; a key is never overwritten, choose another name"
        )
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
    click.echo(f"{verb} {paths[0]} (keep it secret) and {paths[1]} (for the venue)")
