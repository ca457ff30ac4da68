"""Branch coverage of the machine with compiling switched off: it must be whole.

    python -m tests.tools.branches

Left out, in setup.cfg by name: memory.py and what only compiled code runs. Takes minutes.
"""

import os
import subprocess
import sys

TESTS = (
    "test_allocation",
    "test_baskets",
    "test_baskets_exhaustive",
    "test_blocks",
    "test_blocks_exhaustive",
    "test_busting",
    "test_carrying",
    "test_cases",
    "test_compile",
    "test_edges",
    "test_invariants",
    "test_kernel",
    "test_lookahead",
    "test_reference",
    "test_snapshot",
)


def main() -> int:
    """Run the machine's tests under coverage; returns the exit code."""
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1"}
    coverage = [sys.executable, "-m", "coverage"]
    for command in (
        [
            *coverage,
            "run",
            "--source=matching",
            "-m",
            "pytest",
            "-q",
            *(f"tests/{name}.py" for name in TESTS),
        ],
        [*coverage, "report", "--include=matching/*", "--skip-covered", "--fail-under=100"],
    ):
        code = subprocess.run(command, env=environment, check=False).returncode
        if code:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
