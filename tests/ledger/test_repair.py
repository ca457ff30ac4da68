"""Repair of a damaged log: what is proven stays, nothing is thrown away, and it says what was
lost."""

import json
from pathlib import Path

import pytest

from exchange.cli import run
from ledger.daylog import DayLogDamaged, DayLogUnwritable, DayLogWriter, read_day_log
from ledger.daylog.file_lock import lock_exclusively
from ledger.daylog.layout import CELL, BlockKind, pack_block_header
from ledger.daylog.repair import find_damage, repair
from tests.ledger.test_daylog import DAY, REGISTRY, Forger, commands, write

FIRST, SECOND, THIRD = commands(3), commands(2, first=4), commands(4, first=6)


def two_writers(path: Path) -> tuple[bytes, bytes]:
    """A log to which two venues appended after the same block: its proven part, and the rest."""
    with DayLogWriter.create(path, venue="算市", trading_day=DAY) as log:
        log.append_registry(REGISTRY)
        log.append(FIRST)
        checksum = log._checksum
        log.append(SECOND)
    proven = path.read_bytes()
    payload = THIRD.tobytes()
    header, _ = pack_block_header(BlockKind.COMMANDS, len(THIRD), 4, checksum, payload)
    rest = header + payload
    path.write_bytes(proven + rest)
    return proven, rest


def test_the_proven_part_is_kept_and_the_rest_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "day.log"
    proven, rest = two_writers(path)
    with pytest.raises(DayLogDamaged):
        read_day_log(path, unsealed=True)
    damage = find_damage(path)
    assert damage is not None
    assert (damage.commands, damage.end, damage.lost_bytes) == (5, len(proven), len(rest))
    assert (damage.lost_commands, damage.lost_sessions) == ({"NEW": 4}, {0: 4})
    assert path.read_bytes() == proven + rest
    repair(damage)
    assert path.read_bytes() == proven
    assert damage.set_aside.read_bytes() == rest
    assert damage.set_aside.name == f"day.damaged-{len(proven)}"
    assert find_damage(path) is None
    with DayLogWriter.resume(read_day_log(path, unsealed=True)) as log:
        assert log.next_sequence == 6


@pytest.mark.parametrize("place", range(0, 5_000, 97))
def test_after_any_damage_whole_blocks_before_it_are_all_that_is_kept(
    tmp_path: Path, place: int
) -> None:
    path = write(tmp_path / "day.log", FIRST, SECOND, THIRD)
    whole = path.read_bytes()
    place %= len(whole)
    path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    if place < len(whole) - (3 + 1 + len(SECOND) + len(THIRD)) * CELL:  # up to the first commands
        with pytest.raises(DayLogDamaged, match="nothing before it is worth keeping: take a back"):
            find_damage(path)
        return
    damage = find_damage(path)
    assert damage is not None
    assert damage.end <= place
    repair(damage)
    assert path.read_bytes() + damage.set_aside.read_bytes() == (
        whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]
    )
    assert path.read_bytes() == whole[: damage.end]
    assert read_day_log(path, unsealed=True).command_count == damage.commands in (3, 5, 9)
    assert damage.was_sealed


def test_a_wrong_number_under_right_checksums_ends_the_log_before_its_block(tmp_path: Path) -> None:
    path = tmp_path / "day.log"
    wrong = commands(3, first=4)
    wrong["time_ns"][2] = 5
    forged = Forger(path).reference().commands(FIRST)
    kept = forged.size
    forged.commands(wrong, first=4)
    path.write_bytes(forged.content)
    damage = find_damage(path)
    assert damage is not None
    assert (damage.end, damage.commands) == (kept, 3)
    assert "time_ns must not go backwards" in damage.rule


def test_a_log_that_a_venue_holds_is_not_repaired(tmp_path: Path) -> None:
    path = tmp_path / "day.log"
    two_writers(path)
    damage = find_damage(path)
    assert damage is not None
    with path.open("ab") as held:
        lock_exclusively(held.fileno())
        with pytest.raises(DayLogUnwritable, match="is held by process"):
            repair(damage)
    assert not damage.set_aside.exists()


def test_the_command_says_what_it_did(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "day.log"
    proven, rest = two_writers(path)
    assert run(["repair", str(path), "--dry-run"]) == 0
    assert "the 5 commands before it would be kept" in capsys.readouterr().out
    assert path.read_bytes() == proven + rest
    assert run(["repair", str(path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["damaged"], told["commands"], told["lost_commands"]) == (True, 5, {"NEW": 4})
    assert run(["repair", str(path)]) == 0
    assert "is not damaged; nothing was changed" in capsys.readouterr().out
    assert run(["repair", str(tmp_path / "none.log")]) == 2
    assert path.read_bytes() == proven
