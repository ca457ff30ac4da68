"""Options and arguments that several commands share, so that all name and explain them alike."""

from pathlib import Path

import click

from exchange.commands.bilingual import argument
from exchange.definition.file_names import LEDGER_NAME

as_json = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON for a program. / 输出 JSON，供程序使用。"
)

dry_run = click.option(
    "--dry-run", is_flag=True,
    help="Show what would be written, and write nothing. / 仅显示将写入的内容，不实际写入。",
)  # fmt: skip

unsealed = click.option(
    "--unsealed", is_flag=True,
    help="Accept a log whose end is missing or torn, and report what is missing. / "
    "接受未封存或尾部残缺的日志，并报告缺失部分。",
)  # fmt: skip

batch = click.option(
    "--batch", type=click.IntRange(min=1, max=1 << 20), default=4_096, show_default=True,
    help="Number of commands that the machine processes at a time; it changes no result. / "
    "撮合引擎每批处理的指令数，不影响结果。",
)  # fmt: skip

engine = click.option(
    "--engine", type=click.Choice(["kernel", "reference"]), default="kernel", show_default=True,
    help="The compiled machine, or the slow reference that defines the correct results. / "
    "撮合引擎：编译版，或作为正确性基准的参考版（较慢）。",
)  # fmt: skip

day_log = argument(
    "day_log", metavar="DAY.LOG", type=click.Path(path_type=Path),
    help="The log of a trading day. / 交易日志文件。",
)  # fmt: skip

venue = click.option(
    "--venue", metavar="PATH", type=click.Path(path_type=Path),
    help="Folder or file with the definition of a venue in TOML; by default the one that comes "
    "with the package. / 交易所定义（TOML 目录或文件），默认使用随包定义。",
)  # fmt: skip

ledger = click.option(
    "--ledger", metavar="LEDGER.DUCKDB", type=click.Path(path_type=Path),
    help=f"The books; by default {LEDGER_NAME} in the folder of the log. / "
    f"账簿文件，默认为日志所在目录中的 {LEDGER_NAME}。",
)  # fmt: skip

books = argument(
    "ledger", metavar="LEDGER.DUCKDB", type=click.Path(path_type=Path),
    help="The books. / 账簿文件。",
)  # fmt: skip

seed = click.option(
    "--seed", type=click.IntRange(0, 2**63 - 1), default=1, show_default=True,
    help="Seed of everything that is generated; the same seed gives the same bytes. / "
    "生成数据的随机种子；同一种子生成逐字节相同的结果。",
)  # fmt: skip

verbose = click.option(
    "--verbose", is_flag=True,
    help="Log logons and logouts on stderr. / 在标准错误输出登录与退出记录。",
)  # fmt: skip

yes = click.option(
    "--yes", is_flag=True,
    help="Go on without being asked. / 不再询问，直接执行。",
)  # fmt: skip

force = click.option(
    "--force", is_flag=True,
    help="Replace files that exist already. / 覆盖已存在的文件。",
)  # fmt: skip

since = click.option(
    "--since", metavar="YYYY-MM-DD",
    help="First day to show; by default the first in the books. / 起始日，默认为账簿首日。",
)  # fmt: skip

until = click.option(
    "--until", metavar="YYYY-MM-DD",
    help="Last day to show; by default the last in the books. / 截止日（含当日），默认为账簿末日。",
)  # fmt: skip
