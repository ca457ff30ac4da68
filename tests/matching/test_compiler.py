"""Compiled code is never older than its source, and intrinsics equal their plain twins."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numba
import numpy as np
import pytest

import matching
from matching import Engine, Limits
from matching.memory import compiler as compiling
from matching.memory import intrinsics
from matching.memory.compiler import JIT_DISABLED, kernel
from matching.memory.handle import ADDRESS, LENGTH, Handle, HandleLayout, handle_at

SOURCES = Path(matching.__file__).parent
FILES = sorted(str(path.relative_to(SOURCES)) for path in SOURCES.rglob("*.py"))

ONE_LISTING = """
import numpy as np
from matching import COMMAND, Engine, Limits
rows = [
    {"kind": 32, "instrument": 1, "price": 100, "quantity": 1},
    {"kind": 34, "instrument": 1, "price": 100_001, "stop": 0},
    {"kind": 34, "instrument": 1, "price": 100_000, "stop": 0},
]
commands = np.zeros(3, COMMAND)
for command, row in zip(commands, rows):
    for name, value in row.items():
        command[name] = value
limits = Limits(instruments=1, accounts=1, orders=16, ticks=64)
events = Engine(limits).process(commands)
print(events["kind"].tolist(), events["reason"].tolist())
"""
"""Lists an instrument and sets fees: one beyond RATE_MAX, one at it."""


@pytest.mark.parametrize("name", FILES)
def test_a_change_in_any_file_has_a_cache_of_its_own(tmp_path, name):
    copy = shutil.copytree(SOURCES, tmp_path / "matching")
    before = compiling.source_hash(copy)
    path = copy / name
    path.write_bytes(path.read_bytes().replace(b"1", b"2", 1) + b"#")
    assert compiling.source_hash(copy) != before


def test_a_new_file_or_another_folder_has_a_cache_of_its_own(tmp_path):
    copy = shutil.copytree(SOURCES, tmp_path / "matching")
    before = compiling.source_hash(copy)
    other = shutil.copytree(SOURCES, tmp_path / "other")
    assert compiling.source_hash(other) != before
    (copy / "book" / "another.py").write_text("")
    assert compiling.source_hash(copy) != before


def test_the_cache_folder_can_be_chosen(monkeypatch, tmp_path):
    monkeypatch.setenv("SUANSHI_CACHE_DIR", str(tmp_path))
    assert compiling.cache_folder() == tmp_path / f"kernels-{compiling.source_hash()}"
    monkeypatch.delenv("SUANSHI_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    assert compiling.cache_folder().parent == tmp_path / "caches" / "suanshi"


def test_a_kernel_is_compiled_quickly_without_changing_the_settings():
    class Kernel:
        def compile(self, signature: str) -> None:
            self.compiled = signature, int(numba.config.OPT)

    before, kernel = numba.config.OPT, Kernel()
    compiling.compile_quickly(kernel, "a signature")
    assert kernel.compiled == ("a signature", 1)
    assert numba.config.OPT is before


WORDS = [1, 2, 3, 64, 2**31, 2**32 + 5, 2**62, 2**63 - 1, -1, -(2**63), -(2**63) + 1]


def test_the_highest_bit_is_the_same_by_instruction_and_in_plain_python():
    plain = [intrinsics.highest_bit_plain(word) for word in WORDS]
    assert plain == [0, 1, 1, 6, 31, 32, 62, 62, 63, 63, 63]
    if not JIT_DISABLED:
        native = numba.njit(lambda word: intrinsics.highest_bit(word))  # noqa: PLW0108
        assert [native(np.int64(word)) for word in WORDS] == plain


def test_prefetching_changes_nothing():
    engine = Engine(Limits(orders=16, instruments=1, accounts=1, ticks=64))
    before = engine.snapshot()
    assert intrinsics.prefetch_plain(engine._arrays["orders"], 1) is None
    if not JIT_DISABLED:
        from matching.memory.machine_type import machine_at

        fetch = numba.njit(lambda header: intrinsics.prefetch(machine_at(header).orders, 1))
        assert fetch(engine._header_address) is None
    assert engine.snapshot() == before


@pytest.mark.skipif(JIT_DISABLED, reason="addresses are for compiled kernels")
def test_tables_by_address_are_the_arrays_themselves():
    from matching.memory.machine_type import machine_at

    @numba.njit
    def write(header):
        m = machine_at(header)
        m.tops[3] = np.uint32(7)
        m.orders[2]["leaves"] = m.orders[1]["leaves"] + 1
        return len(m.orders), m.orders[1]["leaves"], m.tops[3], m.state[0]["refs"]

    engine = Engine(Limits(orders=16, instruments=1, accounts=1, ticks=64))
    arrays = engine._arrays
    arrays["orders"]["leaves"][1] = 41
    assert write(engine._header_address) == (17, 41, 7, engine.limits.refs)
    assert arrays["orders"]["leaves"][2] == 42
    assert arrays["instruments"].view("<u4")[3] == 7


I8 = np.dtype("<i8")
TOTALS = np.dtype([("rows", "<i8"), ("sum", "<i8")])
ROW = np.dtype([("key", "<u4"), ("value", "<i4"), ("wide", "<i8")])
ROWS = HandleLayout(
    "Rows",
    {"rows": ROW, "out": np.dtype("u1"), "totals": TOTALS},
    views={"row_words": ("rows", I8)},
)
rows_at = handle_at(ROWS)


@kernel
def add_rows(h):
    totals = h.totals[0]
    for at in range(len(h.rows)):
        row = h.rows[at]
        row["wide"] += row["value"]
        totals["sum"] += h.row_words[2 * at + 1]
        h.out[at] = np.int64(row["key"]) + 1
    totals["rows"] += len(h.rows)
    return len(h.row_words)


@numba.njit
def add_rows_entry(argument):
    return add_rows(rows_at(argument))


def rows_of(*rows: tuple[int, int, int]) -> dict[str, np.ndarray]:
    """Tables of ROWS with these rows."""
    return {
        "rows": np.array(list(rows), ROW),
        "out": np.zeros(len(rows), np.uint8),
        "totals": np.zeros(1, TOTALS),
    }


def test_a_kernel_takes_many_tables_by_one_handle_compiled_or_not():
    compiled, plain = (rows_of((1, -2, 10), (254, 5, 100)) for _ in range(2))
    assert add_rows_entry(Handle(ROWS, compiled).argument) == 4
    function = add_rows if JIT_DISABLED else add_rows.py_func
    assert function(ROWS.plain(plain)) == 4
    for tables in (compiled, plain):
        assert tables["rows"].tolist() == [(1, -2, 8), (254, 5, 105)]
        assert tables["out"].tolist() == [2, 255]
        assert tables["totals"].tolist() == [(2, 113)]


def test_an_array_of_a_handle_can_be_replaced_by_another():
    tables = rows_of((1, 1, 1))
    handle = Handle(ROWS, tables)
    longer = np.array([(7, 1, 1), (8, 2, 2), (9, 3, 3)], ROW)
    handle.replace("rows", longer)
    handle.replace("out", np.zeros(3, np.uint8))
    assert handle["rows"] is longer
    assert add_rows_entry(handle.argument) == 6
    assert handle["out"].tolist() == [8, 9, 10]
    assert tables["totals"].tolist() == [(3, 12)]
    assert tables["rows"].tolist() == [(1, 1, 1)]


def test_a_header_has_the_address_and_length_of_each_table():
    tables = rows_of((1, 1, 1), (2, 2, 2))
    header = ROWS.header(tables)
    assert len(header) == 6
    assert header[ROWS.word("totals", ADDRESS)] == tables["totals"].ctypes.data
    assert header[ROWS.word("rows", LENGTH)] == 2


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("rows", np.zeros(2, I8), "rows must be a contiguous array"),
        ("rows", np.zeros((2, 2), ROW), "got 2 of"),
        ("rows", np.zeros(4, ROW)[::2], "contiguous"),
        ("other", np.zeros(2, I8), "Rows: tables are"),
    ],
)
def test_a_handle_refuses_an_array_that_a_kernel_would_misread(name, array, message):
    handle = Handle(ROWS, rows_of((1, 1, 1)))
    argument, before = handle.argument, handle["rows"]
    with pytest.raises(ValueError, match=message):
        handle.replace(name, array)
    assert handle.argument is argument
    assert handle["rows"] is before


@pytest.mark.skipif(JIT_DISABLED, reason="types are for compiled kernels")
def test_a_name_belongs_to_one_layout():
    handle_at(HandleLayout(ROWS.name, ROWS.tables, ROWS.views))
    with pytest.raises(ValueError, match="Rows: there is a handle of this name"):
        handle_at(HandleLayout(ROWS.name, {"rows": I8}))


def answer_of(folder: Path) -> str:
    """The output of ONE_LISTING with the package in this folder."""
    environment = os.environ | {"PYTHONPATH": str(folder), "SUANSHI_CACHE_DIR": str(folder / "c")}
    return subprocess.run(
        [sys.executable, "-c", ONE_LISTING],
        env=environment,
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
    ).stdout


@pytest.mark.long
def test_changed_constants_never_run_stale_machine_code(tmp_path):
    copy = shutil.copytree(SOURCES, tmp_path / "matching", ignore=shutil.ignore_patterns("__py*"))
    assert answer_of(tmp_path) == "[32, 8, 34] [0, 1, 0]\n"
    records = copy / "records.py"
    records.write_text(records.read_text().replace("RATE_MAX = 100_000", "RATE_MAX = 99_999"))
    assert answer_of(tmp_path) == "[32, 8, 8] [0, 1, 1]\n"
    records.write_text(records.read_text().replace("    MALFORMED = 1\n", "    MALFORMED = 30\n"))
    assert answer_of(tmp_path) == "[32, 8, 8] [0, 30, 30]\n"
