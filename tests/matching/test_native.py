"""The compiled machine without Python: C programs include, link and run it."""

import resource
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm
import numpy as np
import pytest

from matching import COMMAND, EVENT, Engine, Limits
from matching.limits import BOUNDS
from matching.memory.compiler import JIT_DISABLED
from matching.memory.layout import TABLES, pages_a_session, shapes
from matching.native.header import ERRORS, header, struct
from tests.conftest import unavailable
from tests.tools import fuzz

pytestmark = pytest.mark.skipif(JIT_DISABLED, reason="object code is compiled code")

EXAMPLE = """\
done (32)
done (33)
done (37)
done (40)
done (41)
done (41)
done (43)
done (45)
order 1 accepted
order 2 accepted
order 1 filled: 5 lots at 1130, 3 left
order 2 filled: 5 lots at 1130, 0 left
best ask 1130, 3 lots
"""

FILTER = Path(__file__).with_name("filter.c")
"""COMMANDs from the standard input, EVENTs to the standard output."""

TEXTS = """
#include <stdio.h>
#include "suanshi.h"
int main(void)
{
    const int64_t results[] = {@NAMES@, 0, 1, -1, INT64_MAX};
    for (unsigned at = 0; at < sizeof results / sizeof results[0]; at++)
        puts(suanshi_error(results[at]) ? suanshi_error(results[at]) : "none");
}
"""

SIZES = """
#include <stdio.h>
#include <stdlib.h>
#include "suanshi.h"
int main(int argc, char **argv)
{
    int64_t lengths[SUANSHI_TABLES] = {0};
    int64_t given[sizeof(suanshi_limits) / sizeof(int64_t)];
    for (int at = 1; at < argc; at++)
        given[at - 1] = atoll(argv[at]);
    const suanshi_limits *limits = (suanshi_limits *)given;
    suanshi_lengths(limits, lengths);
    for (int table = 0; table < SUANSHI_TABLES; table++)
        printf("%lld ", (long long)lengths[table]);
    printf("%lld\\n", (long long)SUANSHI_SESSION_PAGES(limits));
}
"""

SMALL = Limits(sessions=3, accounts=5, instruments=2, orders=9, refs=2049, ref_pages=3, ticks=4097)


def cc(folder: Path, *arguments: str) -> None:
    """Compile C with the system's compiler; every warning is an error."""
    strict = ("-std=c11", "-O2", "-Wall", "-Wextra", "-Werror")
    subprocess.run(["cc", *strict, *arguments], cwd=folder, check=True)


def bounds(limits: Limits) -> list[str]:
    """The limits as arguments of a program: all but the event buffer, which is the caller's."""
    return [str(value) for name, value in limits.as_dict().items() if name != "events"]


@pytest.fixture(scope="module")
def native(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that `python -m matching.native` writes."""
    from matching.native.__main__ import write

    folder = tmp_path_factory.mktemp("native")
    write(folder, any_cpu=True)
    return folder


@pytest.mark.needs("cc")
def test_the_example_lists_an_instrument_and_matches_two_orders(native):
    cc(native, "-Wpedantic", "-o", "example", "example.c", "suanshi.c", "suanshi_core.o")
    found = subprocess.run([native / "example"], check=True, capture_output=True, text=True)
    assert found.stdout == EXAMPLE
    assert len((native / "example.c").read_text().splitlines()) <= 60


@pytest.fixture(scope="module")
def filter_program(native: Path) -> Path:
    """FILTER, compiled."""
    cc(native, "-I.", "-o", "filter", str(FILTER), "suanshi.c", "suanshi_core.o")
    return native / "filter"


@pytest.mark.needs("cc")
@pytest.mark.parametrize(
    ("seed", "how", "batch", "room"),
    [(1, "blind", 1, 16), (2, "seeing", 64, 4096), (6, "blind", 7, 99)],
)
def test_a_c_program_gives_the_events_of_the_engine(filter_program, seed, how, batch, room):
    check_events(filter_program, seed, how, batch, room)


def check_events(program: Path, seed: int, how: str, batch: int, room: int) -> None:
    """Run a stream through the program, and compare its events with the engine's."""
    limits, commands = fuzz.stream_of(seed, 2_000)
    given = [how, str(batch), str(room), *bounds(limits)]
    found = subprocess.run(
        [program, *given], input=commands.tobytes(), check=False, capture_output=True
    )
    assert found.returncode == 0, found.stderr.decode()
    assert found.stdout == Engine(limits).process(commands).tobytes()


@pytest.mark.needs("cc")
@pytest.mark.parametrize(
    ("seed", "how", "batch", "room"), [(3, "bm", 5, 16), (5, "sm", 64, 16), (1, "sm", 9, 40)]
)
def test_every_mistake_has_its_error_and_changes_nothing(filter_program, seed, how, batch, room):
    check_events(filter_program, seed, how, batch, room)


@pytest.mark.needs("cc")
def test_no_mistake_reads_or_writes_beyond_its_memory(native, tmp_path, request):
    """With the compiler's address and undefined behaviour sanitizers, where it has them."""
    sanitized = ("-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
    (tmp_path / "none.c").write_text("int main(void) { return 0; }")
    try:
        cc(tmp_path, *sanitized, "-o", "none", "none.c")
    except subprocess.CalledProcessError:
        unavailable(request.config, "the C compiler has no sanitizers")
    cc(native, *sanitized, "-I.", "-o", "checked", str(FILTER), "suanshi.c", "suanshi_core.o")
    check_events(native / "checked", 5, "sm", 64, 16)


@pytest.mark.needs("cc")
def test_memory_that_the_system_does_not_give_opens_no_machine(filter_program):
    huge = replace(SMALL, accounts=1 << 20, instruments=1 << 20)
    found = subprocess.run(
        [filter_program, "blind", "1", "16", *bounds(huge)],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (1 << 32, 1 << 32)),
        check=False,
    )
    assert found.returncode == 4


@pytest.mark.needs("cc")
def test_every_error_has_a_text_and_no_other_result_has(tmp_path, native):
    names = ", ".join(f"SUANSHI_ERROR_{name}" for name in ERRORS)
    (native / "texts.c").write_text(TEXTS.replace("@NAMES@", names))
    cc(native, "-o", "texts", "texts.c", "suanshi.c", "suanshi_core.o")
    printed = subprocess.check_output([native / "texts"], text=True)
    assert printed.splitlines() == [*ERRORS.values(), *["none"] * 4]
    page = (native / "C.md").read_text()
    assert all(f"| `SUANSHI_ERROR_{name}` | {text}" in page for name, text in ERRORS.items())


@pytest.mark.needs("cc")
def test_limits_beyond_their_bounds_open_no_machine(filter_program):
    impossible = [str(high + 1) for name, (_, high) in BOUNDS.items() if name != "events"]
    for at, bound in enumerate(impossible):
        for wrong in (bound, "0"):
            given = bounds(SMALL)
            given[at] = wrong
            program = [filter_program, "blind", "1", "16", *given]
            assert subprocess.run(program, check=False).returncode == 3


@pytest.mark.needs("cc")
@pytest.mark.parametrize(
    "limits", [Limits(), SMALL, replace(SMALL, refs=2048, ticks=1 << 18, sessions=256)]
)
def test_the_header_sizes_tables_as_the_engine_does(tmp_path, limits):
    (tmp_path / "suanshi.h").write_text(header())
    (tmp_path / "sizes.c").write_text(SIZES)
    cc(tmp_path, "-o", "sizes", "sizes.c")
    printed = subprocess.check_output([tmp_path / "sizes", *bounds(limits)], text=True)
    lengths = [length for length, _ in shapes(limits).values()]
    buffers = [0] * (len(TABLES) - len(lengths))
    assert [int(n) for n in printed.split()] == [*lengths, *buffers, pages_a_session(limits)]


@pytest.mark.needs("cc")
@pytest.mark.parametrize(("name", "dtype"), [("command", COMMAND), ("event", EVENT)])
def test_the_header_has_every_field_at_its_offset_in_the_record(tmp_path, name, dtype):
    (tmp_path / "suanshi.h").write_text(header())
    checks = [
        f"_Static_assert(offsetof(suanshi_{name}, {field}) == {at}"
        f' && sizeof ((suanshi_{name} *)0)->{field} == {kind.itemsize}, "{field}");'
        for field, (kind, at) in dtype.fields.items()
    ]
    assert len(checks) == len(dtype.names)
    text = '#include <stddef.h>\n#include "suanshi.h"\n' + "\n".join(checks) + "\n"
    (tmp_path / "checks.c").write_text(text)
    cc(tmp_path, "-c", "checks.c")


def test_a_record_with_a_gap_has_no_struct():
    gap: Any = np.dtype({"names": ["a"], "formats": ["<i4"], "offsets": [4], "itemsize": 8})
    with pytest.raises(AssertionError, match="no field at byte 0"):
        struct("gap", gap)


def test_code_that_needs_python_raises():
    from matching.native.objects import check_standalone

    text = "declare void @memset()\ndeclare void @llvm.trap()\ndeclare void @PyErr_Clear()"
    with pytest.raises(RuntimeError, match="needs PyErr_Clear, which is Python's"):
        check_standalone(llvm.parse_assembly(text))
