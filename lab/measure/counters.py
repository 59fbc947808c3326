"""Throughput of interfaces over time, for pictures and for shares of the legs."""

import os
import threading
import time

from lab import namespaces


class Counters:
    """Reads byte counters of devices at an even pace: `with Counters({"dsl": ("hg", "dsl", "rx")}) as counters`.

    Each entry names a host, a device of it, and `rx` or `tx`. The table of a namespace is opened once and read again
    and again, which needs no process: the measured hosts share the processor with the one who measures.
    """

    def __init__(self, series: dict[str, tuple[str, str, str]], interval: float = 0.25):
        self.series = series
        self.interval = interval
        self.samples: list[dict[str, float]] = []  # t in s since the start, then Mbit/s per series
        self.start = time.monotonic()
        self._files: dict[str, int] = {}
        for host, _, _ in series.values():
            if host not in self._files:
                with namespaces.inside(host):
                    self._files[host] = os.open("/proc/thread-self/net/dev", os.O_RDONLY)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample)

    def __enter__(self) -> "Counters":
        self.start = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, *exception) -> None:
        self._stop.set()
        self._thread.join()
        for file in self._files.values():
            os.close(file)

    def read(self) -> dict[str, int]:
        """Bytes so far, per series; 0 for a device that is not there."""
        tables = {host: _parse(os.pread(file, 65536, 0)) for host, file in self._files.items()}
        return {
            name: tables[host].get(device, (0, 0))[0 if way == "rx" else 1]
            for name, (host, device, way) in self.series.items()
        }

    def _sample(self) -> None:
        at, before = time.monotonic(), self.read()
        while not self._stop.wait(self.interval):
            now, after = time.monotonic(), self.read()
            sample = {"t": round(now - self.start, 3)}
            for name in self.series:
                sample[name] = round(max(0, after[name] - before[name]) * 8 / (now - at) / 1e6, 4)
            self.samples.append(sample)
            at, before = now, after


def _parse(table: bytes) -> dict[str, tuple[int, int]]:
    devices = {}
    for line in table.decode().splitlines()[2:]:
        name, _, rest = line.partition(":")
        fields = rest.split()
        devices[name.strip()] = (int(fields[0]), int(fields[8]))
    return devices


def tcp_counters(host: str) -> dict[str, int]:
    """What the kernel counts for TCP in a namespace so far, by the names of nstat: TcpRetransSegs, TcpExtTCPOFOQueue
    (segments that came after a later one was awaited), MPTcpExtOFOQueue and so on."""
    found = {}
    with namespaces.inside(host):
        for name in ("snmp", "netstat"):
            with open(f"/proc/thread-self/net/{name}") as file:
                lines = [line.split() for line in file]
            for names, values in zip(lines[::2], lines[1::2]):
                group = names[0].rstrip(":")
                found |= {group + each: int(value) for each, value in zip(names[1:], values[1:])}
    return found
