"""`suanshi doctor`: checks whether this computer can run the exchange, and how fast its disk is."""

import os
import platform
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import click

from exchange.commands import options
from exchange.commands.bilingual import BilingualCommand
from exchange.commands.console import print_json, table
from exchange.commands.outcome import ExitCode

_PACKAGES = (
    "suanshi", "numba", "numpy", "sortedcontainers", "msgspec", "pyzmq", "duckdb", "click",
)  # fmt: skip
_SYNCS = 50


@click.command(cls=BilingualCommand)
@click.option(
    "--folder",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=Path(),
    help="Folder for day logs, whose disk is measured; by default the current one. / "
    "存放日志的目录，将测量其磁盘延迟；默认为当前目录。",
)
@options.as_json
def doctor(folder: Path, as_json: bool) -> ExitCode:
    """Check versions, rules, kernel cache, processor, clock, disk and the data of the package.

    检查版本、规则编号、编译缓存、处理器、时钟、磁盘与随包数据。
    """
    checks = [_run_check(name, check) for name, check in _checks(folder)]
    healthy = all(check["ok"] for check in checks)
    if as_json:
        from matching.rules import FIRST_RELEASES, RULES, releases_of

        releases = {str(number): releases_of(number) for number in FIRST_RELEASES}
        print_json({"ok": healthy, "rules": RULES, "releases": releases, "checks": checks})
    else:
        rows = [("ok" if c["ok"] else "FAILED", c["check"], c["found"]) for c in checks]
        click.echo(table(("", "check", "found"), rows, left=3))
    return ExitCode.DONE if healthy else ExitCode.DIFFERENCES


def _checks(folder: Path) -> list[tuple[str, Callable[[], str]]]:
    return [
        ("python", lambda: f"{platform.python_implementation()} {platform.python_version()}"),
        *((package, lambda package=package: _version(package)) for package in _PACKAGES),
        ("rules", _rules),
        ("processor", _processor),
        ("kernel cache", _kernel_cache),
        ("clock", _clock),
        ("fdatasync", lambda: _sync_latency(folder)),
        ("shipped venue", _shipped_venue),
        ("shipped demand", _shipped_demand),
    ]


def _run_check(name: str, check: Callable[[], str]) -> dict[str, Any]:
    try:
        return {"check": name, "ok": True, "found": check()}
    except Exception as error:
        line = " ".join(str(error).split())
        return {"check": name, "ok": False, "found": f"{type(error).__name__}: {line}"}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        if package == "suanshi":
            return "not installed; runs from its sources"
        raise


def _rules() -> str:
    """The rules of the day logs that this build replays, and the releases for all others."""
    from matching.rules import FIRST_RELEASES, RULES, releases_of

    others = [f"rules {each}: {releases_of(each)}" for each in FIRST_RELEASES if each != RULES]
    text = f"replays day logs of rules {RULES} ({releases_of(RULES)})"
    return "; ".join([text, ", ".join(others)]) if others else text


def _processor() -> str:
    usable = len(os.sched_getaffinity(0))
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next(line.split(": ")[1] for line in lines if line.startswith("model name"))
    except (OSError, StopIteration, IndexError):
        pass
    return f"{model}, {usable} of {os.cpu_count()} processors usable"


def _kernel_cache() -> str:
    from matching.memory import compiler

    folder = compiler.cache_folder()
    state = "compiled" if compiler.is_compiled() else "not compiled yet; the first run compiles"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder.parent):
        return f"{state} ({folder})"


def _clock() -> str:
    steps = []
    for _ in range(1_000):
        before = after = time.time_ns()
        while after == before:
            after = time.time_ns()
        steps.append(after - before)
    now = datetime.now(UTC)
    if now.year < 2025:
        raise ValueError(f"the clock says {now:%Y-%m-%d}, which is in the past; set it")
    return f"{now:%Y-%m-%d %H:%M:%S} UTC, ticks of {sorted(steps)[len(steps) // 2]} ns"


def _sync_latency(folder: Path) -> str:
    """The latency of making 64 bytes durable: no order can be confirmed faster."""
    times_us = []
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".suanshi-doctor-") as file:
        for _ in range(_SYNCS):
            os.write(file.fileno(), bytes(64))
            start_ns = time.perf_counter_ns()
            os.fdatasync(file.fileno())
            times_us.append((time.perf_counter_ns() - start_ns) / 1_000)
    times_us.sort()
    return f"median {times_us[_SYNCS // 2]:,.0f} us, worst {times_us[-1]:,.0f} us of {_SYNCS}"


def _shipped_venue() -> str:
    from exchange.definition.contracts import read_venue
    from exchange.definition.members import read_members

    venue, members = read_venue(), read_members()
    return (
        f"{len(venue.contracts)} contracts, {len(venue.hubs)} hubs, "
        f"{len(venue.programmes)} programmes, {len(members.accounts)} accounts"
    )


def _shipped_demand() -> str:
    from exchange.flow.jobs import read_jobs

    return f"{len(read_jobs()):,} jobs of one day"
