"""`python -m matching.native FOLDER`: write object code, header and example for C programs."""

import argparse
import shutil
from pathlib import Path

from matching.native.header import header
from matching.native.objects import object_code

SOURCES = ("suanshi.c", "example.c", "C.md")


def write(folder: Path, any_cpu: bool = False) -> None:
    """Write suanshi.h, suanshi_core.o, suanshi.c, the example and the manual into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "suanshi.h").write_text(header())
    (folder / "suanshi_core.o").write_bytes(object_code(any_cpu))
    for name in SOURCES:
        shutil.copyfile(Path(__file__).with_name(name), folder / name)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser("python -m matching.native", description=__doc__)
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument(
        "--any-cpu", action="store_true", help="code for any processor of this kind, not this one"
    )
    given = parser.parse_args()
    try:
        write(given.folder, given.any_cpu)
    except OSError as error:
        parser.error(f"{given.folder}: {error.strerror}")
    print(f"try it: cd {given.folder} && cc -O2 -o example example.c suanshi.c suanshi_core.o")


if __name__ == "__main__":
    main()
