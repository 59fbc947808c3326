"""Programs of the lab in C: compiled on the machine outside; the virtual machine has what is in NEEDS."""

import pathlib
import subprocess

LAB = pathlib.Path(__file__).resolve().parent


def program(name: str) -> pathlib.Path:
    """Where lab/NAME.c is, compiled."""
    return LAB / ".cache" / name


def compile(name: str, *libraries: str) -> None:
    """Compiles it, unless that was done since it changed."""
    source, built = LAB / f"{name}.c", program(name)
    if not built.exists() or built.stat().st_mtime < source.stat().st_mtime:
        built.parent.mkdir(exist_ok=True)
        subprocess.run(["cc", "-O2", "-Wall", "-o", built, source, *libraries], check=True)
