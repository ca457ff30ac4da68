"""Engines that can run in the public harness, and one run of it."""

import hashlib
import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.harness.adapter import FLAGS

SCENARIOS = ("static", "normal", "swing-25", "swing-40", "flash-crash")
CANONICAL_SEED = 23
TIMEOUT_S = 700
BY_MESSAGE = {"ME_NO_BATCH": "1"}
THEIR_QUEUE = {"SUANSHI_QUEUE": "harness"}


@dataclass(frozen=True)
class Contender:
    """An engine, and the environment variables of its runs."""

    name: str
    library: Path
    version: str
    flags: str
    settings: dict[str, str] = field(default_factory=dict)

    def description(self) -> dict[str, Any]:
        """Return name, version, compiler, flags, settings, and the hash of the library."""
        content = self.library.read_bytes()
        compiler = re.search(rb"GCC: \([^\0]+|clang version [^\0]+", content)
        return {
            "name": self.name,
            "version": self.version,
            "compiler": compiler[0].decode() if compiler else "unknown",
            "flags": self.flags,
            "settings": self.settings,
            "sha256": hashlib.sha256(content).hexdigest(),
        }


@dataclass(frozen=True)
class Run:
    """The harness's result of one run."""

    messages_per_s: float
    wall_s: float
    sha256: str
    verdict: str
    passed: bool  # the hash is the reference's
    audited: bool  # the state of the book was compared, and is the same at all points


@dataclass(frozen=True)
class Peer:
    """An engine of the harness, with the paths of its library, build script and sources."""

    name: str
    library: str
    script: str
    sources: str


PEERS = (
    Peer(
        "CppTrader",
        "cpptrader_adapter.so",
        "additional_references/cpptrader_adapter/build.sh",
        "third_party/CppTrader",
    ),
    Peer(
        "geseq/cpp-orderbook",
        "cpp_orderbook_adapter.so",
        "additional_references/cpp_orderbook_adapter/build.sh",
        "third_party/cpp_orderbook",
    ),
    Peer(
        "Kautenja",
        "kautenja_adapter.so",
        "additional_references/kautenja_adapter/build.sh",
        "third_party/kautenja_limit_order_book",
    ),
    Peer(
        "liquibook",
        "liquibook_adapter.so",
        "scripts/build_baselines.sh",
        "third_party/liquibook",
    ),
)


def peers(harness: Path) -> list[Contender]:
    """Return the peers whose libraries the user has built."""
    return [
        Contender(peer.name, harness / peer.library, commit(harness / peer.sources), flags)
        for peer in PEERS
        if (harness / peer.library).is_file()
        for flags in [flags_in(harness / peer.script)]
    ]


def ours(library: Path) -> list[Contender]:
    """Return our engine with each combination of settings."""
    version = commit(Path(__file__).parents[2])
    settings_by_name: dict[str, dict[str, str]] = {
        "Suanshi": BY_MESSAGE,
        "Suanshi, their queue": BY_MESSAGE | THEIR_QUEUE,
        "Suanshi, batches": {},
        "Suanshi, batches, their queue": THEIR_QUEUE,
        "Suanshi, batches, looking ahead": {"SUANSHI_LOOKAHEAD": "1"},
    }
    return [
        Contender(name, library, version, " ".join(FLAGS), settings)
        for name, settings in settings_by_name.items()
    ]


def commit(sources: Path) -> str:
    """Return the commit of a checkout; "unknown" where the folder is not the root of one."""
    git = shutil.which("git")
    if git is None or not sources.is_dir():
        return "unknown"
    command = [git, "-C", str(sources), "rev-parse", "--show-prefix", "HEAD"]
    found = subprocess.run(command, check=False, capture_output=True, text=True)
    prefix, _, head = found.stdout.partition("\n")
    return head.strip() if found.returncode == 0 and not prefix else "unknown"


def flags_in(script: Path) -> str:
    """Return the compiler flags in the harness's build script of a peer."""
    text = script.read_text(encoding="utf-8") if script.is_file() else ""
    found = re.search(r"-std=\S+(?: -[^\sI]\S*)*", text)
    return found[0].strip('"') if found else "unknown"


def run(
    harness: Path, contender: Contender, scenario: str, seed: int, mode: str, cores: tuple[int, int]
) -> Run:
    """Run the harness once. Raises ValueError where it gives no result."""
    command = [
        "./harness", "--engine", str(contender.library.resolve()), "--scenario", scenario,
        "--mode", mode, "--seed", str(seed),
        "--matcher-core", str(cores[0]), "--drainer-core", str(cores[1]),
    ]  # fmt: skip
    environment = {k: v for k, v in os.environ.items() if k not in BY_MESSAGE | THEIR_QUEUE}
    where = f"{contender.name}, {scenario}, seed {seed}"
    try:
        done = subprocess.run(
            command,
            cwd=harness,
            env=environment | contender.settings,
            check=False,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
        )
    except OSError as error:
        raise ValueError(f"{harness}/harness: {error.strerror}: build the harness first") from None
    except subprocess.TimeoutExpired:
        raise ValueError(f"{where}: not finished after {TIMEOUT_S} s") from None
    found = re.search(r"^Result file: (\S+)$", done.stdout, re.MULTILINE)
    if found is None:
        errors = done.stderr.strip().splitlines()
        last = errors[-1] if errors else "the harness prints no error"
        raise ValueError(f"{where}: no result: {last}")
    path = harness / found[1]
    result = json.loads(path.read_bytes())
    path.unlink()
    return Run(
        messages_per_s=result["throughput_msgs_per_s"],
        wall_s=result["wall_time_s"],
        sha256=result["correctness"]["computed_hash"],
        verdict=result["verdict"],
        passed=result["correctness"]["status"] == "PASS",
        audited=result["audit"]["ran"] and result["audit"]["passed"],
    )
