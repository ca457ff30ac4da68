"""Print the Pythons of this machine that setup.cfg supports, the oldest first, one path a line.

    python .ci/supported_pythons.py setup.cfg

Looks on PATH and among the versions of pyenv; this Python is one of them.
"""

import configparser
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

VERSION = "import sys; print('%d.%d' % sys.version_info[:2])"


def version_of(python: str) -> str | None:
    """The version that a Python says it has, as 3.11; None where it does not start."""
    done = subprocess.run([python, "-c", VERSION], check=False, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else None


def main(path: Path) -> None:
    """Print one path for each supported version that was found."""
    options = configparser.ConfigParser()
    options.read_string(path.read_text(encoding="utf-8"))
    supported = re.findall(r":: (3\.\d+)$", options["metadata"]["classifiers"], re.MULTILINE)
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    candidates = [sys.executable]
    for version in supported:
        found = shutil.which(f"python{version}")
        candidates += [found] if found else []
        candidates += map(str, sorted(pyenv.glob(f"{version}.*/bin/python")))
    by_version: dict[str, str] = {}
    for candidate in candidates:
        version = version_of(candidate)
        if version in supported:
            by_version.setdefault(version, candidate)
    for version in supported:
        if version in by_version:
            print(by_version[version])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
