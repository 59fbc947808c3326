"""IPsec as the kernel has it, by `ip xfrm`: states to delete and to count."""

import dataclasses
import re

from lab.namespaces import run


@dataclasses.dataclass(frozen=True)
class State:
    """One state of ESP. `text` is what `ip xfrm state` prints of it."""

    source: str
    destination: str
    spi: str
    text: str

    @property
    def name(self) -> list[str]:
        return ["src", self.source, "dst", self.destination, "proto", "esp", "spi", self.spi]


def states(host: str) -> list[State]:
    found = []
    for block in re.split(r"\n(?=src )", run(host, "ip", "xfrm", "state")):
        head = re.match(r"src (\S+) dst (\S+)\s+proto esp spi (\S+)", block)
        if head:
            found.append(State(*head.groups(), block))
    return found


def delete(host: str, state: State) -> None:
    run(host, "ip", "xfrm", "state", "delete", *state.name)


def sent(state: State) -> int:
    """The number of the last packet that was sent with it."""
    high, low = (int(re.search(rf"\b{name} (0x[0-9a-f]+)", state.text)[1], 16) for name in ("oseq-hi", "oseq"))
    return high << 32 | low
