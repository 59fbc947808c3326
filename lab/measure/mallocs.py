"""What a daemon allocates, and what it has not given back, counted before its allocator (lab/mallocs.c)."""

import struct

from lab import programs

PROGRAM = programs.program("mallocs")


def prepare() -> None:
    programs.compile("mallocs", "-shared", "-fPIC")


def _file(lab, host: str):
    return lab.out / f"{host}.mallocs"


def count(daemon) -> None:
    """From the daemon's next start on."""
    daemon.environment = {"LD_PRELOAD": str(PROGRAM), "MALLOCS": str(_file(daemon.lab, daemon.host))}


def counted(lab, host: str) -> tuple[int, int]:
    """Allocations, and bytes that were not given back."""
    return struct.unpack("=QQ", _file(lab, host).read_bytes())
