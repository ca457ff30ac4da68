"""An independent client in JavaScript, written from PROTOCOL.md alone, trades and builds a book."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import unavailable
from tests.support.programs import find_program
from tests.support.venue_process import World

NODE = Path(__file__).parents[1] / "node"
LINES_MAX = 300


@pytest.fixture(scope="session")
def modules(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Path:
    """A folder with the client and its npm packages."""
    npm = find_program("npm")
    assert npm is not None
    folder = tmp_path_factory.mktemp("node")
    for name in ("package.json", "client.js"):
        shutil.copy(NODE / name, folder)
    done = subprocess.run(
        [npm, "install", "--no-audit", "--no-fund", "--prefer-offline"],
        cwd=folder, check=False, capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    if done.returncode != 0:
        unavailable(pytestconfig, f"needs packages that npm cannot bring: {done.stderr[-2_000:]}")
    return folder


@pytest.mark.needs("node", "npm")
def test_a_client_in_another_language_trades_and_builds_a_book(
    modules: Path, tmp_path: Path
) -> None:
    world = World(tmp_path).start()
    try:
        secret, symbol = world.secret("east-1"), world.instrument().symbol
        done = subprocess.run(
            ["node", "client.js", str(tmp_path / "venue" / "connection.toml"), str(secret), symbol,
             str(world.account()), str(world.price())],
            cwd=modules, check=False, capture_output=True, text=True, timeout=40,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-2_000:]
    finally:
        world.end()
    result = json.loads(done.stdout)
    accepted = result["accepted"]
    assert (accepted["kind"], accepted["leaves"], accepted["number"]) == ("ACCEPTED", 5, 1)
    assert result["again"] == {**accepted, "flags": 1}
    assert (result["replaced"]["kind"], result["replaced"]["leaves"]) == ("REPLACED", 3)
    assert result["cancelled"]["kind"] == "CANCELLED"
    assert result["rejected"]["kind"] == "REJECTED"
    assert result["images"] == 2
    assert result["checked"] >= 4
    assert result["blocks"] == [{"price": world.price(), "quantity": 5, "side": 0, "hours": 2}]
    assert result["noBlocks"] == []
    assert result["resent"] == result["nextReport"] - 1 == 7
    assert result["allResent"]


def test_the_client_is_short() -> None:
    assert len((NODE / "client.js").read_text().splitlines()) <= LINES_MAX
