"""Branch coverage of the machine with compiling switched off: it must be whole.

    python -m tests.tools.branches

Left out, in setup.cfg by name: memory.py and what only compiled code runs. Takes minutes.
"""

import os
import subprocess
import sys

LEFT_OUT = ("test_conformance", "test_fuzz_finds", "test_native")
"""Long flows that reach no branch of their own, and object code, which is compiled."""


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
            "tests/matching",
            *(f"--ignore=tests/matching/{name}.py" for name in LEFT_OUT),
        ],
        [*coverage, "report", "--include=matching/*", "--skip-covered", "--fail-under=100"],
    ):
        code = subprocess.run(command, env=environment, check=False).returncode
        if code:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
