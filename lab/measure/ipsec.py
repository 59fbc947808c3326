"""IPsec as the kernel has it, by `ip xfrm`: states to delete, to put back, to count."""

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


def put_back(host: str, state: State) -> None:
    """Adds a state as it was, its numbers included."""
    words = ["ip", "xfrm", "state", "add", *state.name]
    (request,) = re.findall(r"reqid (\d+)", state.text)
    words += ["reqid", request, "mode", "transport"]
    for kind, name, key, bits in re.findall(r"^\t(aead|auth-trunc|enc) (\S+) (\S+)(?: (\d+))?$", state.text, re.M):
        words += [kind, name, key, *([bits] if bits else [])]
    numbers = dict(re.findall(r"((?:o?seq)(?:-hi)?) (0x[0-9a-f]+)", state.text))
    (window,) = re.findall(r"replay_window (\d+)", state.text)
    words += ["replay-window", window, "flag", "esn"]
    for name, number in numbers.items():
        words += [f"replay-{name}", number]
    run(host, *words)


def sent(state: State) -> int:
    """The number of the last packet that was sent with it."""
    high, low = (int(re.search(rf"\b{name} (0x[0-9a-f]+)", state.text)[1], 16) for name in ("oseq-hi", "oseq"))
    return high << 32 | low
