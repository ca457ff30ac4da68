"""Branch coverage of matching/ without compilation: it must be complete.

    python -m tests.tools.branches

setup.cfg names the files that only compiled code runs; they are excluded. Takes minutes.
"""

import os
import subprocess
import sys

EXCLUDED = ("test_conformance", "test_fuzz_finds", "test_native")
"""Tests that reach no further branch, or need compiled object code."""


def main() -> int:
    """Run the tests of matching under coverage; returns the exit code."""
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
            "tests/matching",
            *(f"--ignore=tests/matching/{name}.py" for name in EXCLUDED),
        ],
        [*coverage, "report", "--include=matching/*", "--skip-covered", "--fail-under=100"],
    ):
        code = subprocess.run(command, env=environment, check=False).returncode
        if code:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
