"""Round-trip times and what of them was lost."""

import dataclasses
import re
import subprocess

from lab import namespaces
from lab.measure.statistics import percentiles


@dataclasses.dataclass
class Ping:
    """sent and received count echoes; rtt_ms as of statistics.percentiles, empty if nothing came back; replies have the
    number of the echo, from 1, and its round trip."""

    sent: int
    received: int
    rtt_ms: dict[str, float]
    times_ms: list[float] = dataclasses.field(repr=False)
    replies: list[tuple[int, float]] = dataclasses.field(repr=False)


class Pinger:
    """Echoes from a host at an even pace, in the background until `result` (or `stop`)."""

    def __init__(
        self, host: str, address: str, count: int, *, interval: float = 0.2, device: str | None = None,
        size: int | None = None,
    ):
        command = ["ping", "-n", "-c", count, "-i", interval, "-W", 3]
        command += ["-I", device] if device else []
        command += ["-s", size] if size is not None else []
        self._allowed = count * interval + 60
        self._process = namespaces.start(
            host, *command, address, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def result(self) -> Ping:
        output, _ = self._process.communicate(timeout=self._allowed)
        replies = [(int(n), float(ms)) for n, ms in re.findall(r"icmp_seq=(\d+) .*time=([0-9.]+) ms", output)]
        times = [ms for _, ms in replies]
        summary = re.search(r"(\d+) packets transmitted, (\d+) received", output)
        if summary is None:
            raise RuntimeError(f"ping said: {output.strip()[:300]}")
        return Ping(int(summary[1]), int(summary[2]), percentiles(times), times, replies)

    def stop(self) -> Ping:
        """Ends it now and tells what there is so far."""
        self._process.send_signal(2)
        return self.result()


def ping(host: str, address: str, count: int, **options) -> Ping:
    """Echoes from start to end; options as for class Pinger."""
    return Pinger(host, address, count, **options).result()
