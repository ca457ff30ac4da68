"""Day log: it reads back as it was written, and damage or a missing end is always found."""

import errno
import os
from pathlib import Path

import numpy as np
import pytest

from ledger.daylog import (
    DayLog,
    DayLogDamaged,
    DayLogError,
    DayLogNotSealed,
    DayLogUnreadable,
    DayLogUnwritable,
    DayLogWriter,
    read_day_log,
)
from ledger.daylog import layout as daylog_layout
from ledger.daylog.layout import CELL, BlockKind, pack_block_header, pack_seal
from ledger.daylog.registry import Registry, encode
from matching.limits import Limits
from matching.records import COMMAND
from matching.rules import RULES

DAY = "2026-11-22"
HASH = bytes(range(1, 33))
REGISTRY = Registry(
    venue="算市", trading_day=DAY, note="a test", limits=Limits().as_dict(), rules=RULES
)


def commands(count: int, first: int = 1, time_ns: int = 1_000) -> np.ndarray:
    batch = np.zeros(count, COMMAND)
    batch["sequence"] = np.arange(first, first + count)
    batch["time_ns"] = time_ns + np.arange(first, first + count)
    batch["kind"] = 1
    return batch


def write(path: Path, *batches: np.ndarray, registry: Registry = REGISTRY) -> Path:
    with DayLogWriter.create(path, venue="算市", trading_day=DAY) as writer:
        writer.append_registry(registry)
        for batch in batches:
            writer.append(batch)
        writer.seal(HASH)
    return path


@pytest.fixture
def sealed(tmp_path: Path) -> Path:
    return write(tmp_path / "day.log", commands(3), commands(2, first=4))


def is_refused(path: Path, content: bytes, *errors: type[DayLogError]) -> DayLogError:
    path.write_bytes(content)
    with pytest.raises(errors) as caught:
        read_day_log(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)
    return caught.value


def test_a_sealed_log_reads_back_as_it_was_written(sealed: Path) -> None:
    log = read_day_log(sealed)
    assert (log.venue, log.trading_day, log.sealed) == ("算市", DAY, True)
    assert log.registry == REGISTRY
    assert log.limits == Limits()
    assert log.events_sha256 == HASH
    assert log.command_count == 5
    assert log.commands().tobytes() == commands(5).tobytes()
    assert (log.end, log.torn_bytes, log.zero_bytes) == (sealed.stat().st_size, 0, 0)
    assert len(log.sha256) == 64


def test_an_empty_day_is_a_whole_log(tmp_path: Path) -> None:
    log = read_day_log(write(tmp_path / "day.log"))
    assert log.sealed
    assert len(log.commands()) == 0
    assert list(log.blocks()) == []


def test_a_seal_without_a_machine_has_no_event_hash(tmp_path: Path) -> None:
    with DayLogWriter.create(tmp_path / "day.log", venue="V", trading_day=DAY) as writer:
        writer.append_registry(Registry(venue="V", trading_day=DAY, note="", limits={}))
        writer.seal(bytes(32))
    log = read_day_log(tmp_path / "day.log")
    assert log.sealed
    assert log.events_sha256 is None


def test_a_later_registry_is_the_one_in_force(tmp_path: Path) -> None:
    later = Registry(
        venue="算市", trading_day=DAY, note="later", limits=REGISTRY.limits, rules=RULES
    )
    with DayLogWriter.create(tmp_path / "day.log", venue="算市", trading_day=DAY) as writer:
        writer.append_registry(REGISTRY)
        writer.append(commands(1))
        writer.append_registry(later)
        writer.append(commands(1, first=2))
        writer.seal(HASH)
    log = read_day_log(tmp_path / "day.log")
    assert log.registries == (REGISTRY, later)
    assert log.registry.note == "later"
    assert log.commands()["sequence"].tolist() == [1, 2]


def test_long_batches_become_several_blocks_and_short_ones_are_joined(tmp_path: Path) -> None:
    long = read_day_log(write(tmp_path / "long.log", commands(150_000)))
    assert [len(block) for block in long.blocks()] == [65_536, 65_536, 18_928]
    short = read_day_log(write(tmp_path / "short.log", *(commands(1, n) for n in range(1, 101))))
    assert [len(block) for block in short.blocks()] == [100]
    assert short.commands().tobytes() == commands(100).tobytes()


def test_arrays_of_a_log_cannot_be_written(sealed: Path) -> None:
    with pytest.raises(ValueError, match="read-only"):
        read_day_log(sealed).commands()["price"] = 1


def test_the_checksum_depends_on_everything(tmp_path: Path) -> None:
    one = read_day_log(write(tmp_path / "1.log", commands(1, time_ns=1)))
    two = read_day_log(write(tmp_path / "2.log", commands(1, time_ns=2)))
    assert one.checksum != two.checksum
    assert one.sha256 != two.sha256


def test_no_flipped_bit_passes(sealed: Path) -> None:
    whole = sealed.read_bytes()
    with sealed.open("r+b", buffering=0) as file:
        for offset, byte in enumerate(whole):
            for bit in range(8):
                os.pwrite(file.fileno(), bytes([byte ^ 1 << bit]), offset)
                with pytest.raises(DayLogDamaged) as caught:
                    read_day_log(sealed)
                assert 0 <= caught.value.offset <= offset
            os.pwrite(file.fileno(), bytes([byte]), offset)
    assert read_day_log(sealed).sealed


def test_no_cut_passes_and_only_a_cut_file_header_is_damage(sealed: Path, tmp_path: Path) -> None:
    whole = sealed.read_bytes()
    bad = tmp_path / "bad.log"
    for size in range(CELL):
        is_refused(bad, whole[:size], DayLogDamaged)
    for size in range(CELL, len(whole)):
        is_refused(bad, whole[:size], DayLogNotSealed)


def test_a_cut_filled_up_with_zeros_does_not_pass_either(sealed: Path, tmp_path: Path) -> None:
    whole = sealed.read_bytes()
    for size in range(CELL, len(whole)):
        content = whole[:size].ljust(len(whole) + 4_096, b"\0")
        if content[: len(whole)] != whole:
            is_refused(tmp_path / "bad.log", content, DayLogNotSealed)


def test_nothing_may_follow_a_seal(sealed: Path, tmp_path: Path) -> None:
    whole = sealed.read_bytes()
    for more in (b"\0", bytes(64), b"x", os.urandom(1_000), whole, whole[CELL:]):
        error = is_refused(tmp_path / "bad.log", whole + more, DayLogDamaged)
        assert "nothing may follow the SEAL" in str(error)


def test_a_block_left_out_repeated_or_swapped_does_not_pass(tmp_path: Path) -> None:
    batches = [commands(1), commands(1, first=2), commands(1, first=3)]
    whole = write(tmp_path / "day.log", *batches).read_bytes()
    tail = len(whole) - 2 * CELL
    blocks = [whole[tail - n * 2 * CELL : tail - (n - 1) * 2 * CELL] for n in (3, 2, 1)]
    head, seal = whole[: tail - 6 * CELL], whole[tail:]
    assert head + b"".join(blocks) + seal == whole
    for order in ((0, 2), (0, 1, 1, 2), (0, 2, 1), (1, 2)):
        content = head + b"".join(blocks[n] for n in order) + seal
        is_refused(tmp_path / "bad.log", content, DayLogDamaged)


def test_files_that_are_no_logs_are_refused_in_one_line(tmp_path: Path) -> None:
    for content in (b"", b"x", bytes(64), bytes(4_096), os.urandom(4_096), b"SUANSHI\n" * 8):
        is_refused(tmp_path / "bad.log", content, DayLogDamaged)
    with pytest.raises(DayLogUnreadable, match="No such file"):
        read_day_log(tmp_path / "missing.log")
    with pytest.raises(DayLogUnreadable, match="directory"):
        read_day_log(tmp_path)


def test_an_unsealed_log_is_read_when_that_is_expected(sealed: Path, tmp_path: Path) -> None:
    whole = sealed.read_bytes()
    cut = tmp_path / "cut.log"
    end = len(whole) - 2 * CELL
    for spare, torn in ((b"", 0), (whole[end:-1], 127), (bytes(500), 0)):
        cut.write_bytes(whole[:end] + spare)
        log = read_day_log(cut, unsealed=True)
        assert (log.sealed, log.events_sha256, log.command_count) == (False, None, 5)
        assert (log.end, log.torn_bytes) == (end, torn)
        assert log.zero_bytes == len(spare) - torn
    error = is_refused(cut, whole[: end - 1], DayLogNotSealed)
    assert isinstance(error, DayLogNotSealed)
    assert (error.commands, error.torn_bytes) == (3, 3 * CELL - 8 + 1)
    assert read_day_log(cut, unsealed=True).command_count == 3


def test_a_torn_block_with_a_hole_is_skipped(sealed: Path, tmp_path: Path) -> None:
    """Pages of one write may reach the disk in any order."""
    content = bytearray(sealed.read_bytes()[: -2 * CELL])
    content[-2 * CELL : -CELL] = bytes(CELL)
    (tmp_path / "torn.log").write_bytes(content)
    assert read_day_log(tmp_path / "torn.log", unsealed=True).command_count == 3


def test_damage_is_refused_even_where_a_torn_end_is_expected(sealed: Path) -> None:
    content = bytearray(sealed.read_bytes())
    content[-4 * CELL] ^= 1
    sealed.write_bytes(content)
    with pytest.raises(DayLogDamaged):
        read_day_log(sealed, unsealed=True)


def test_a_log_without_a_registry_cannot_be_read_at_all(sealed: Path) -> None:
    sealed.write_bytes(sealed.read_bytes()[: 2 * CELL])
    with pytest.raises(DayLogNotSealed, match="no whole REFERENCE"):
        read_day_log(sealed, unsealed=True)


class Forger:
    """Writes logs with right checksums and content that breaks a rule."""

    def __init__(self, path: Path, version: int = daylog_layout.VERSION) -> None:
        self.path = path
        self.content = daylog_layout.pack_file_header("算市", DAY, version)
        self.checksum = int.from_bytes(self.content[-4:], "little")

    def block(self, kind: int, length: int, payload: bytes, first: int = 1) -> "Forger":
        header, self.checksum = pack_block_header(
            BlockKind(kind), length, first, self.checksum, payload
        )
        self.content += header + payload
        return self

    def reference(self, blob: bytes = encode(REGISTRY), padding: bytes = b"\0") -> "Forger":
        size = daylog_layout.padded_size(len(blob))
        return self.block(BlockKind.REFERENCE, len(blob), blob.ljust(size, padding))

    def commands(self, batch: np.ndarray, first: int = 1) -> "Forger":
        return self.block(BlockKind.COMMANDS, len(batch), batch.tobytes(), first)

    def seal(self, rules: int, offset: int) -> "Forger":
        """The SEAL of a log with a registry and no commands."""
        return self.block(BlockKind.SEAL, 1, pack_seal(HASH, 0, 1, offset, rules))

    @property
    def size(self) -> int:
        return len(self.content)

    def reads(self) -> DayLog:
        self.path.write_bytes(self.content)
        return read_day_log(self.path)

    def breaks(self, rule: str) -> None:
        self.path.write_bytes(self.content)
        with pytest.raises(DayLogDamaged, match=rule):
            read_day_log(self.path)


def test_right_checksums_do_not_excuse_broken_rules(tmp_path: Path) -> None:
    def forger() -> Forger:
        return Forger(tmp_path / "forged.log")

    backwards, gap = commands(3), commands(3)
    backwards["time_ns"][2] = 5
    gap["sequence"][1] = 7
    forger().commands(commands(1)).breaks("REFERENCE block must come first")
    forger().block(BlockKind.SEAL, 1, pack_seal(HASH, 0, 0, 64, RULES)).breaks("must come first")
    forger().reference().commands(gap).breaks("sequence must be 2, got 7")
    forger().reference().commands(backwards).breaks("must not go backwards, got 5")
    forger().reference().commands(commands(1, first=2)).breaks("sequence must be 1, got 2")
    forger().reference().commands(commands(1), first=2).breaks("start at sequence 1, got 2")
    forger().reference().block(BlockKind.COMMANDS, 0, b"").breaks("kind 2 and count 0")
    forger().reference(padding=b" ").breaks("padded with zeros")
    forger().reference(blob=b"{").breaks("registry is wrong")
    forger().reference(blob=b"\xff").breaks("registry is wrong")
    forger().reference(blob=encode(REGISTRY) + b" ").breaks("canonical JSON")
    seal = pack_seal(HASH, 1, 1, 0, RULES)
    forger().reference().block(BlockKind.SEAL, 1, seal).breaks("must count 0 commands")


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"trading_day": "2026-11-23"}, "registry must be of"),
        ({"venue": "V"}, "registry must be of"),
        ({"limits": {"orders": 0}}, "`orders` must be between"),
        ({"limits": {"nonsense": 1}}, "registry is wrong"),
    ],
)
def test_a_registry_must_fit_the_log(tmp_path: Path, change: dict[str, object], rule: str) -> None:
    fields = {"venue": "算市", "trading_day": DAY, "note": "", "limits": {}} | change
    blob = encode(Registry(**fields))  # type: ignore[arg-type]
    Forger(tmp_path / "forged.log").reference(blob).breaks(rule)


def test_an_absurd_length_costs_no_memory(tmp_path: Path) -> None:
    forger = Forger(tmp_path / "forged.log").reference().block(BlockKind.COMMANDS, 2**63, b"")
    forger.path.write_bytes(forger.content)
    with pytest.raises(DayLogNotSealed):
        read_day_log(forger.path)


def test_a_log_is_never_overwritten(sealed: Path) -> None:
    before = sealed.read_bytes()
    with pytest.raises(DayLogUnwritable, match="exists already"):
        DayLogWriter.create(sealed, venue="V", trading_day=DAY)
    assert sealed.read_bytes() == before


def test_a_log_in_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DayLogUnwritable, match=r"folder .* does not exist"):
        DayLogWriter.create(tmp_path / "no" / "day.log", venue="V", trading_day=DAY)
    (tmp_path / "file").touch()
    with pytest.raises(DayLogUnwritable, match="Not a directory"):
        DayLogWriter.create(tmp_path / "file" / "day.log", venue="V", trading_day=DAY)


def test_one_process_at_a_time_writes_a_log(tmp_path: Path) -> None:
    """A second writer, which read the same end, would damage what the first acknowledged."""
    path = tmp_path / "day.log"
    with DayLogWriter.create(path, venue="算市", trading_day=DAY) as first:
        first.append_registry(REGISTRY)
        first.append(commands(2))
        first.sync()
        before = path.read_bytes()
        log = read_day_log(path, unsealed=True)
        held = f"is held by process {os.getpid()}, which started at .*, which writes it"
        with pytest.raises(DayLogUnwritable, match=held):
            DayLogWriter.resume(log)
        assert path.read_bytes() == before
        first.append(commands(1, first=3))
    with pytest.raises(DayLogUnwritable, match="was continued since it was read"):
        DayLogWriter.resume(log)
    with DayLogWriter.resume(read_day_log(path, unsealed=True)) as second:
        assert second.next_sequence == 4
    assert not list(tmp_path.glob("*.torn-*"))


@pytest.mark.parametrize(
    ("venue", "day"),
    [("", DAY), ("x" * 33, DAY), ("a\0b", DAY), ("V", "2026-13-01"), ("V", "20261122"), ("V", "")],
)
def test_a_wrong_venue_or_day_makes_no_file(tmp_path: Path, venue: str, day: str) -> None:
    with pytest.raises(ValueError, match=r"^(venue|trading day): "):
        DayLogWriter.create(tmp_path / "day.log", venue=venue, trading_day=day)
    assert not (tmp_path / "day.log").exists()


def test_the_writer_refuses_what_the_reader_would(tmp_path: Path) -> None:
    with DayLogWriter.create(tmp_path / "day.log", venue="算市", trading_day=DAY) as writer:
        with pytest.raises(ValueError, match="REFERENCE block comes first"):
            writer.append(commands(1))
        with pytest.raises(ValueError, match="REFERENCE block comes first"):
            writer.seal(HASH)
        with pytest.raises(ValueError, match="registry: is of V"):
            writer.append_registry(Registry(venue="V", trading_day=DAY, note="", limits={}))
        writer.append_registry(REGISTRY)
        writer.append(commands(2))
        for batch in (commands(1), commands(1, first=4), commands(2, first=3)[::-1]):
            with pytest.raises(ValueError, match="without gaps at 3"):
                writer.append(batch)
        with pytest.raises(ValueError, match="never go backwards"):
            writer.append(commands(1, first=3, time_ns=0))
        with pytest.raises(ValueError, match="must be a COMMAND array"):
            writer.append(np.zeros(1))
        with pytest.raises(ValueError, match="must have 32 bytes"):
            writer.seal(b"short")
        writer.append(commands(0))
        writer.append(commands(2, first=3)[::1])
        writer.sync()
        writer.seal(HASH)
        with pytest.raises(ValueError, match="sealed, nothing can follow"):
            writer.append(commands(1, first=5))
    with pytest.raises(DayLogUnwritable, match="closed"):
        writer.append(commands(1, first=5))
    assert read_day_log(tmp_path / "day.log").command_count == 4


def test_a_full_disk_is_one_clear_line_and_ends_the_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int, content: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "day.log"
    with DayLogWriter.create(path, venue="算市", trading_day=DAY) as writer:
        writer.append_registry(REGISTRY)
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", full)
            with pytest.raises(DayLogUnwritable, match=r"offset \d+: No space"):
                writer.append(commands(1))
        with pytest.raises(DayLogUnwritable, match="an earlier write failed"):
            writer.append(commands(1))
    with pytest.raises(DayLogNotSealed):
        read_day_log(path)


def test_partial_writes_of_the_system_are_completed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_all = os.write

    def bite(descriptor: int, content: bytes) -> int:
        return write_all(descriptor, content[:100])

    monkeypatch.setattr(os, "write", bite)
    path = write(tmp_path / "day.log", commands(20))
    assert read_day_log(path).commands().tobytes() == commands(20).tobytes()
