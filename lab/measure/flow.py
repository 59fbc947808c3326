"""Flows: TCP by iperf3, and UDP with sequence numbers of our own for loss, order, outage and one-way delay."""

import dataclasses
import json
import socket
import struct
import subprocess
import threading
import time

from lab import namespaces
from lab.measure.statistics import percentiles

PORT = 5201
SO_RCVBUFFORCE = 33  # Linux; Python has no name for it.


@dataclasses.dataclass
class TCPFlow:
    """What a TCP flow did. `mbit` is payload that arrived, after the start-up seconds that are left out."""

    mbit: float
    seconds: float
    retransmits: int | None
    intervals: list[tuple[float, float]]  # end of the interval in s, Mbit/s in it
    raw: dict


class TCP:
    """A TCP transfer between two hosts, in the background until `result`.

    reverse: the server sends. omit: seconds of start-up left out. bind: local address, `ADDRESS%DEVICE` to force a leg.
    congestion: the sender's congestion control. before: a command that runs iperf3 at both ends, such as mptcpize.
    """

    def __init__(
        self, client: str, server: str, address: str, seconds: float, *, reverse: bool = False, omit: int = 1,
        bind: str | None = None, streams: int = 1, interval: float = 0.5, port: int = PORT,
        congestion: str | None = None, before: tuple[str, ...] = (),
    ):
        self._seconds = seconds + omit
        self._server = namespaces.start(
            server, *before, "iperf3", "-s", "-1", "-p", port, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        _wait_listening(server, port)
        command = [*before, "iperf3", "-c", address, "-p", port, "-t", seconds, "-O", omit, "-i", interval, "-P", streams, "-J"]
        command += ["-R"] if reverse else []
        command += ["-B", bind] if bind else []
        command += ["-C", congestion] if congestion else []
        self._client = namespaces.start(client, *command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def result(self) -> TCPFlow:
        """Waits for the end. Raises RuntimeError with iperf3's words if it failed."""
        try:
            output, _ = self._client.communicate(timeout=self._seconds + 60)
        finally:
            self.stop()
        try:
            report = json.loads(output)
        except json.JSONDecodeError as error:
            raise RuntimeError(f"iperf3 said: {output.strip()[:300]}") from error
        if "error" in report:
            raise RuntimeError(f"iperf3: {report['error']}")
        intervals = [
            (each["sum"]["end"], each["sum"]["bits_per_second"] / 1e6)
            for each in report["intervals"]
            if not each["sum"]["omitted"]
        ]
        received, sent = report["end"]["sum_received"], report["end"]["sum_sent"]
        return TCPFlow(
            mbit=received["bits_per_second"] / 1e6, seconds=received["seconds"], retransmits=sent.get("retransmits"),
            intervals=intervals, raw=report,
        )

    def stop(self) -> None:
        """Ends both processes, finished or not."""
        for process in (self._client, self._server):
            if process.poll() is None:
                process.terminate()
            process.wait()


def tcp(client: str, server: str, address: str, seconds: float, **options) -> TCPFlow:
    """One TCP transfer from start to end; options as for class TCP."""
    return TCP(client, server, address, seconds, **options).result()


def _wait_listening(host: str, port: int) -> None:
    """Polls the host's table of sockets: asking it by a connection would be the one client it serves."""
    wanted = f":{port:04X} "
    deadline = time.monotonic() + 20
    with namespaces.inside(host):
        tables = [open("/proc/thread-self/net/tcp"), open("/proc/thread-self/net/tcp6")]
    try:
        while time.monotonic() < deadline:
            for table in tables:
                table.seek(0)
                for line in table.readlines()[1:]:
                    fields = line.split()
                    if fields[3] == "0A" and wanted in fields[1] + " ":
                        return
            time.sleep(0.02)
    finally:
        for table in tables:
            table.close()
    raise RuntimeError(f"nothing listens on port {port} in {host}")


@dataclasses.dataclass
class UDPFlow:
    """What became of numbered datagrams. Delays are one-way, in ms: both ends read the same clock.

    longest_gap_ms is the longest time without an arrival, also before the first and after the last.
    """

    sent: int
    received: int
    duplicates: int
    out_of_order: int
    longest_gap_ms: float
    delay_ms: dict[str, float]
    arrivals: list[tuple[float, int]] = dataclasses.field(repr=False)  # monotonic s, number
    delays: list[tuple[float, float]] = dataclasses.field(repr=False)  # monotonic s of the arrival, ms

    @property
    def lost(self) -> int:
        return self.sent - (self.received - self.duplicates)

    @property
    def out_of_order_share(self) -> float:
        return self.out_of_order / self.received if self.received else 0.0


class UDP:
    """Numbered datagrams at an even pace from one host to another, in the background until `result`.

    size is the UDP payload. A datagram is out of order when a higher number came before it.
    """

    HEADER = struct.Struct("!Id")

    def __init__(
        self, sender: str, receiver: str, address: str, seconds: float, *, mbit: float = 1, size: int = 1200,
        port: int = 5300,
    ):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with namespaces.inside(receiver):
            self._in = socket.socket(family, socket.SOCK_DGRAM)
            # What a resequencer lets go at once must have room, whatever the system's limit.
            self._in.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 4 << 20)
            self._in.bind((address, port))
        with namespaces.inside(sender):
            self._out = socket.socket(family, socket.SOCK_DGRAM)
        self._out.connect((address, port))
        self._pause = size * 8 / (mbit * 1e6)
        self._count = max(1, int(seconds / self._pause))
        self._padding = bytes(max(0, size - self.HEADER.size))
        self._is_stopped = False
        self._sent = 0
        self._failed = 0
        self._first_sent = self._last_sent = time.monotonic()
        self._arrivals: list[tuple[float, int, float]] = []
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._receive), threading.Thread(target=self._send)]
        for thread in self._threads:
            thread.start()

    @property
    def received(self) -> int:
        """How many datagrams have arrived so far."""
        return len(self._arrivals)

    def delays_since(self, at: float) -> list[float]:
        """One-way delays in ms of what has arrived from then on."""
        return [(arrived - sent) * 1e3 for arrived, _, sent in self._arrivals[-2000:] if arrived >= at]

    def _send(self) -> None:
        start = time.monotonic()
        for number in range(self._count):
            if self._is_stopped:
                break
            wait = start + number * self._pause - time.monotonic()
            if wait > 0:
                time.sleep(wait)
            try:
                self._out.send(self.HEADER.pack(number, time.monotonic()) + self._padding)
            except OSError:
                # No route just now, as during a failover: it counts as sent and lost.
                self._failed += 1
            self._sent += 1
        self._last_sent = time.monotonic()
        # What is on its way at the end may take as long as the queues hold.
        time.sleep(1.5)
        self._ended.set()

    def _receive(self) -> None:
        self._in.settimeout(0.2)
        while True:
            try:
                datagram = self._in.recv(65536)
            except TimeoutError:
                if self._ended.is_set():
                    return
                continue
            number, at = self.HEADER.unpack_from(datagram)
            self._arrivals.append((time.monotonic(), number, at))

    def stop(self) -> None:
        """Sends no more; there is a result of what was sent."""
        self._is_stopped = True

    def result(self) -> UDPFlow:
        """Waits for the last datagram."""
        for thread in self._threads:
            thread.join()
        self._in.close()
        self._out.close()
        seen: set[int] = set()
        highest, out_of_order, duplicates, gap, before = -1, 0, 0, 0.0, self._first_sent
        for at, number, _ in self._arrivals:
            if number in seen:
                duplicates += 1
            elif number < highest:
                out_of_order += 1
            seen.add(number)
            highest = max(highest, number)
            gap = max(gap, at - before)
            before = at
        gap = max(gap, self._last_sent - before)
        return UDPFlow(
            sent=self._sent, received=len(self._arrivals), duplicates=duplicates, out_of_order=out_of_order,
            longest_gap_ms=gap * 1e3, delay_ms=percentiles([(at - sent) * 1e3 for at, _, sent in self._arrivals]),
            arrivals=[(at, number) for at, number, _ in self._arrivals],
            delays=[(at, (at - sent) * 1e3) for at, _, sent in self._arrivals],
        )


def udp(sender: str, receiver: str, address: str, seconds: float, **options) -> UDPFlow:
    """Numbered datagrams from start to end; options as for class UDP."""
    return UDP(sender, receiver, address, seconds, **options).result()


@dataclasses.dataclass
class Offered:
    """What became of datagrams that iperf3 sent at a rate. `mbit` is payload that arrived, after the start-up seconds
    that are left out; the shares are of what arrived and of what was sent."""

    mbit: float
    out_of_order: int
    received: int
    lost_share: float


class Offer:
    """Datagrams of `size` bytes of payload at `mbit` from one host to another, in the background until `result`. More
    than class UDP can send; the order is iperf3's count, which takes each arrival after a higher number for late."""

    def __init__(
        self, sender: str, receiver: str, address: str, seconds: float, *, mbit: float, size: int, omit: int = 1,
        port: int = PORT,
    ):
        self._seconds = seconds + omit
        # The receiver asks, as only that end tells how many were late. `address` is the sender's.
        self._server = namespaces.start(
            sender, "iperf3", "-s", "-1", "-p", port, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        _wait_listening(sender, port)
        command = ["iperf3", "-c", address, "-p", port, "-u", "-R", "-b", round(mbit * 1e6), "-l", size, "-w", "2M"]
        command += ["-t", seconds, "-O", omit, "-J"]
        self._client = namespaces.start(receiver, *command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def result(self) -> Offered:
        """Waits for the end. Raises RuntimeError with iperf3's words if it failed."""
        try:
            output, _ = self._client.communicate(timeout=self._seconds + 60)
        finally:
            self.stop()
        report = json.loads(output)
        if "error" in report:
            raise RuntimeError(f"iperf3: {report['error']}")
        found = report["end"]["streams"][0]["udp"]
        seconds = sum(each["sum"]["seconds"] for each in report["intervals"] if not each["sum"]["omitted"])
        came = sum(each["sum"]["bytes"] for each in report["intervals"] if not each["sum"]["omitted"])
        return Offered(
            mbit=came * 8 / seconds / 1e6, out_of_order=found["out_of_order"],
            received=found["packets"] - found["lost_packets"],
            lost_share=found["lost_packets"] / max(1, found["packets"]),
        )

    def stop(self) -> None:
        """Ends both processes, finished or not."""
        for process in (self._client, self._server):
            if process.poll() is None:
                process.terminate()
            process.wait()
