"""What each scenario costs: seconds of wall time, and of this machine's processors whatever else they do meanwhile."""

import re
import time

from lab import vm

BEGINS = re.compile(rb"^== (\S+)\s*$")
BOOT = "boot"


class Costs:
    """Told from what a machine prints: each scenario begins with a line of its own. `processor`: seconds used so far."""

    def __init__(self, processor):
        self._processor = processor
        self._line = b""
        self._name = BOOT
        self._used = 0.0
        self._since = time.monotonic(), 0.0
        self._costs: dict[str, dict[str, float]] = {}

    def relay(self, piece: bytes) -> None:
        """Passes on what is printed."""
        vm.to_stdout(piece)
        # When the machine has ended nobody knows any more what it used.
        self._used = max(self._processor(), self._used)
        *lines, self._line = (self._line + piece).split(b"\n")
        for line in lines:
            if begun := BEGINS.match(line.rstrip(b"\r")):
                self._next(begun[1].decode())

    def ended(self) -> dict[str, dict[str, float]]:
        """For each scenario that was begun."""
        self._next("")
        return {name: spent for name, spent in self._costs.items() if name not in (BOOT, "")}

    def __str__(self) -> str:
        return ", ".join(f"{name} {spent['wall_s']:.0f}" for name, spent in self._costs.items())

    def _next(self, name: str) -> None:
        now = time.monotonic(), self._used
        wall, used = (after - before for after, before in zip(now, self._since))
        self._costs[self._name] = {"wall_s": round(wall, 1), "cpu_s": round(used, 1)}
        self._name, self._since = name, now
