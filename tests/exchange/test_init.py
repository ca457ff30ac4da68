"""A new venue: what `init` writes passes `check`, and each thing that is wrong is found."""

import json
import os
import socket
from pathlib import Path

import pytest

from exchange.cli import run
from exchange.venue.config import VenueConfig, read_config
from exchange.venue.new_venue import TEMPLATE
from ledger.daylog.file_lock import lock_exclusively


@pytest.fixture
def venue(tmp_path: Path) -> Path:
    folder = tmp_path / "v"
    assert run(["init", str(folder)]) == 0
    return folder


def found(venue: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """What each check found; the text of one that failed begins with FAILED."""
    capsys.readouterr()
    code = run(["check", str(venue), "--json"])
    told = json.loads(capsys.readouterr().out)
    assert code == (0 if told["ok"] else 1)
    return {c["check"]: c["found"] if c["ok"] else f"FAILED {c['found']}" for c in told["checks"]}


def test_a_new_venue_is_sound_and_is_never_overwritten(
    venue: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.read_bytes() for path in venue.rglob("*") if path.is_file()}
    checks = found(venue, capsys)
    assert not [text for text in checks.values() if text.startswith("FAILED")]
    assert checks["day"] == "no day was served yet"
    assert run(["init", str(venue)]) == 4
    assert "is not empty; a new venue needs a folder of its own" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in venue.rglob("*") if path.is_file()} == before


def test_the_template_names_every_key_and_its_default(venue: Path) -> None:
    text = TEMPLATE.read_text(encoding="utf-8")
    for name in VenueConfig.__struct_fields__:
        if name not in ("trading_day", "plain"):  # of tests and experiments
            assert f"\n{name} = " in text or f"\n# {name} = " in text or f"# [{name}]" in text
    config, default = read_config(venue / "venue.toml"), VenueConfig()
    for name in ("days", "phase", "meter_days", "orders", "durable", "limits", "order_to_trade"):
        assert getattr(config, name) == getattr(default, name)


def test_what_is_wrong_is_found_without_a_start(
    venue: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = venue / "keys"
    (keys / "east-1.secret").chmod(0o644)
    assert "FAILED" in found(venue, capsys)["keys"]
    (keys / "east-1.secret").chmod(0o600)
    (keys / "west-1.toml").unlink()
    assert "no entitlement of west-1; make it with" in found(venue, capsys)["keys"]
    (keys / "venue.secret").unlink()
    assert "venue.secret: cannot be read" in found(venue, capsys)["keys"]

    config = venue / "venue.toml"
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        text = config.read_text(encoding="utf-8")
        changed = text.replace('orders = "tcp://127.0.0.1:*"', f'orders = "tcp://127.0.0.1:{port}"')
        config.write_text(changed, encoding="utf-8")
        ports = found(venue, capsys)["ports"]
        assert ports.startswith(f"FAILED tcp://127.0.0.1:{port}: cannot be listened on: ")
        with (venue / "venue.lock").open("w") as lock:
            lock_exclusively(lock.fileno())
            assert f"in use by this venue, held by process {os.getpid()}" in found(
                venue, capsys
            )["ports"]  # fmt: skip

    (venue / "members.toml").write_text("firms = 3")
    assert found(venue, capsys)["members"].startswith("FAILED members.toml: ")
    (venue / "2026-11-22.log").write_bytes(b"no log")
    assert "FAILED" in found(venue, capsys)["day"]
    (venue / "ledger.duckdb").write_bytes(b"no books")
    assert "FAILED" in found(venue, capsys)["books"]
    config.write_text("folder = 3", encoding="utf-8")
    assert run(["check", str(venue)]) == 2
    assert "venue.toml: " in capsys.readouterr().err
