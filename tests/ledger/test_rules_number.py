"""The rules number: a log and its seal name it, and logs made before it are read as ever."""

import hashlib
import struct
from pathlib import Path

import msgspec
import pytest

from ledger.daylog import DayLogOtherRules, DayLogWriter, read_day_log
from ledger.daylog.layout import CELL, pack_seal
from ledger.daylog.registry import Registry, decode, encode
from ledger.proof.verify import verify
from matching import Engine, rules
from matching.records import CommandKind
from matching.reference.engine import ReferenceEngine
from tests.ledger.test_daylog import DAY, HASH, REGISTRY, Forger, commands, write
from tests.tools.rules_logs import LOGS, SEEDS

SEALED, UNSEALED, OPENING = (
    LOGS / f"rules_0_{name}.log" for name in ("sealed", "unsealed", "opening")
)


def unnamed(registry: Registry) -> Registry:
    """The registry as logs made before release 0.2.0 have it."""
    return msgspec.structs.replace(registry, rules=msgspec.UNSET)


def seal_of(path: Path) -> bytes:
    return path.read_bytes()[-CELL:]


def test_a_log_and_its_seal_name_the_rules_of_the_build(tmp_path: Path) -> None:
    path = write(tmp_path / "day.log", commands(1), registry=unnamed(REGISTRY))
    log = read_day_log(path)
    assert log.rules == log.registry.rules == rules.RULES
    assert struct.unpack_from("<II", seal_of(path), 40) == (2, rules.RULES)
    assert b'"rules":%d,' % rules.RULES in path.read_bytes()
    log.check_rules()


def test_every_registry_of_a_log_names_its_rules(tmp_path: Path) -> None:
    path = tmp_path / "day.log"
    with DayLogWriter.create(path, venue="算市", trading_day=DAY, rules=7) as writer:
        writer.append_registry(REGISTRY)
        writer.append_registry(unnamed(REGISTRY))
        writer.seal(HASH)
    log = read_day_log(tmp_path / "day.log")
    assert [each.rules for each in log.registries] == [7, 7]
    assert log.rules == 7


def test_a_registry_that_names_no_rules_has_the_bytes_that_it_always_had() -> None:
    old, named = unnamed(REGISTRY), msgspec.structs.replace(REGISTRY, rules=1)
    assert b"rules" not in encode(old)
    assert encode(named) == encode(old).replace(b',"sessions":[', b',"rules":1,"sessions":[')
    assert decode(encode(old)) == old
    assert decode(encode(named)) == named
    with pytest.raises(msgspec.ValidationError, match=r"\$\.rules"):
        decode(encode(named).replace(b'"rules":1', b'"rules":0'))


def test_logs_made_before_are_read_as_ever() -> None:
    found = []
    for path in (SEALED, UNSEALED, OPENING):
        log = read_day_log(path, unsealed=True)
        kinds = log.commands()["kind"]
        found.append((
            log.rules, log.sealed, len(log.registries), log.command_count, log.torn_bytes,
            int((kinds == CommandKind.NEW).sum()), log.venue, log.trading_day,
        ))  # fmt: skip
        assert all(encode(each) in path.read_bytes() for each in log.registries)
    assert found == [
        (0, True, 1, 153, 0, 120, "TEST", "2026-11-21"),
        (0, False, 2, 60, 2073, 27, "TEST", "2026-11-21"),
        (0, False, 1, 23, 0, 0, "TEST", "2026-11-22"),
    ]
    assert read_day_log(SEALED).sha256.startswith("d5b8d92941f0")


def test_a_log_of_other_rules_is_refused_by_what_replays_it_and_its_release_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DayLogOtherRules) as caught:
        read_day_log(SEALED).check_rules()
    assert str(caught.value) == (
        f"{SEALED}: made under rules 0, which is before release 0.2.0, and this build replays "
        "rules 1: there is no release that replays rules 0"
    )
    assert (caught.value.path, caught.value.rules) == (SEALED, 0)
    path = write(tmp_path / "day.log", commands(1))
    monkeypatch.setattr(rules, "RULES", 2)
    monkeypatch.setattr(rules, "FIRST_RELEASES", {1: "0.2.0", 2: "0.4.0"})
    with pytest.raises(DayLogOtherRules) as caught:
        read_day_log(path).check_rules()
    assert str(caught.value) == (
        f"{path}: made under rules 1, and this build replays rules 2: install suanshi==0.2.*, "
        "which replays rules 1"
    )
    with DayLogWriter.create(tmp_path / "3.log", venue="算市", trading_day=DAY, rules=3) as writer:
        writer.append_registry(REGISTRY)
        writer.seal(HASH)
    with pytest.raises(DayLogOtherRules) as caught:
        read_day_log(tmp_path / "3.log").check_rules("Then rest.")
    assert str(caught.value) == (
        f"{tmp_path / '3.log'}: made under rules 3, and this build replays rules 2: install a "
        "later release of suanshi, whose `suanshi doctor` lists the rules that it knows. Then rest."
    )


def test_a_log_of_other_rules_is_neither_continued_nor_verified(tmp_path: Path) -> None:
    path = tmp_path / "day.log"
    path.write_bytes(UNSEALED.read_bytes())
    with pytest.raises(DayLogOtherRules, match="made under rules 0"):
        DayLogWriter.resume(read_day_log(path, unsealed=True))
    assert path.read_bytes() == UNSEALED.read_bytes()
    assert not list(tmp_path.glob("*.torn-*"))
    with pytest.raises(DayLogOtherRules, match="made under rules 0"):
        verify(tmp_path / "books.duckdb", SEALED)


def test_a_log_is_continued_under_its_rules(tmp_path: Path) -> None:
    path = tmp_path / "day.log"
    with DayLogWriter.create(path, venue="算市", trading_day=DAY) as writer:
        writer.append_registry(REGISTRY)
    with DayLogWriter.resume(read_day_log(path, unsealed=True)) as writer:
        writer.append_registry(unnamed(REGISTRY))
        writer.seal(HASH)
    assert read_day_log(path).registries == (REGISTRY, REGISTRY)


def test_version_seal_and_registries_agree_on_the_rules(tmp_path: Path) -> None:
    def forger(version: int = 2) -> Forger:
        return Forger(tmp_path / "forged.log", version)

    old, named = encode(unnamed(REGISTRY)), encode(msgspec.structs.replace(REGISTRY, rules=4))
    size = forger().reference(old).size
    assert forger(1).reference(old).seal(0, size).reads().rules == 0
    assert forger().reference(named).seal(4, forger().reference(named).size).reads().rules == 4
    forger(1).reference(named).breaks("a log of version 1 names no rules, got 4")
    forger().reference(old).breaks("a log of version 2 must name its rules")
    forger().reference(named).reference().breaks(f"must name rules 4, got {rules.RULES}")
    forger(1).reference(old).seal(1, size).breaks("under rules 0, got .* 1")
    forger().reference(named).seal(0, size).breaks("under rules 4, got .* 0")
    forger(3).breaks("format version must be 1 or 2, got 3")
    forger(0).breaks("format version must be 1 or 2, got 0")


def test_a_number_of_rules_fits_its_field() -> None:
    assert len(pack_seal(HASH, 0, 1, 64, 2**32 - 1)) == CELL
    with pytest.raises(ValueError, match="rules"):
        DayLogWriter.create("never", venue="V", trading_day=DAY, rules=0)
    with pytest.raises(ValueError, match="rules"):
        DayLogWriter.create("never", venue="V", trading_day=DAY, rules=2**32)
    assert not Path("never").exists()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("engine", [Engine, ReferenceEngine], ids=["kernel", "reference"])
def test_the_build_replays_the_logs_that_stand_for_its_rules(
    engine: type[Engine] | type[ReferenceEngine], seed: int
) -> None:
    """A failure means that a rule has changed: CONTRIBUTING.md says how its number does."""
    log = read_day_log(LOGS / f"rules_{rules.RULES}_seed_{seed}.log")
    log.check_rules()
    events = engine(log.limits).process(log.commands())
    assert hashlib.sha256(events.tobytes()).digest() == log.events_sha256
