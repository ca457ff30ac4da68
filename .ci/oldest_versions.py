"""Print the lowest version that setup.cfg admits of each dependency, as constraints for pip.

python .ci/oldest_versions.py setup.cfg
"""

import configparser
import re
import sys
from pathlib import Path

TOOLS = ("ruff", "mypy", "import-linter")
"""They check sources, so their newest version serves; they do not run with the project."""


def main(path: Path) -> None:
    """Print NAME==VERSION for what the project and its tests need."""
    options = configparser.ConfigParser()
    options.read_string(path.read_text(encoding="utf-8"))
    lines = options["options"]["install_requires"] + options["options.extras_require"]["test"]
    for name, version in re.findall(r"^([\w-]+)(?:\[\w+\])? >=([\d.]+)", lines, re.MULTILINE):
        if name not in TOOLS:
            print(f"{name}=={version}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
