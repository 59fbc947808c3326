"""A TCP flow of our own pace that notes when bytes arrive: how long it stalls, and whether it goes on."""

import contextlib
import socket
import threading
import time

from lab import namespaces

PORT = 5400
# With its headers it passes each tunnel of the lab as it is.
CHUNK = 1388


class Stream:
    """Chunks at an even pace from one host to another that asked for them, in the background until `stop`. `mptcp`:
    both ends have MPTCP's sockets. `unread`: bytes that may be on their way, so that no queue overflows by them."""

    def __init__(self, sender: str, receiver: str, address: str, *, mbit: float, unread: int, mptcp: bool = False):
        protocol = socket.IPPROTO_MPTCP if mptcp else socket.IPPROTO_TCP
        with namespaces.inside(sender):
            # It stays: MPTCP's further paths of the connection come in by it.
            self._listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, protocol)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # An accepted connection has it from the one that listens.
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, unread)
        self._listener.bind((address, PORT))
        self._listener.listen(1)
        with namespaces.inside(receiver):
            self._in = socket.socket(socket.AF_INET, socket.SOCK_STREAM, protocol)
        self._in.settimeout(20)
        self._in.connect((address, PORT))
        self._out, _ = self._listener.accept()
        # MPTCP adds no second path to a connection whose asking end has said nothing yet.
        self._in.sendall(b"?")
        self._out.recv(1)
        self._out.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._pause = CHUNK * 8 / (mbit * 1e6)
        self._stopped = threading.Event()
        # Monotonic s at which something new came.
        self.arrivals: list[float] = []
        # What ended it before its time.
        self.error = ""
        self._threads = [threading.Thread(target=self._receive), threading.Thread(target=self._send)]
        for thread in self._threads:
            thread.start()

    def _send(self) -> None:
        chunk, due = bytes(CHUNK), time.monotonic()
        # A timeout, so that one that hangs hears of the end.
        self._out.settimeout(0.2)
        while not self._stopped.is_set():
            time.sleep(max(0.0, due - time.monotonic()))
            rest = memoryview(chunk)
            while rest and not self._stopped.is_set():
                try:
                    rest = rest[self._out.send(rest):]
                except TimeoutError:
                    continue
                except OSError as error:
                    self.error = self.error or f"sender: {error}"
                    return
            # What it missed while it hung is not made up for.
            due = max(due + self._pause, time.monotonic())

    def _receive(self) -> None:
        self._in.settimeout(0.2)
        while not self._stopped.is_set():
            try:
                data = self._in.recv(1 << 16)
            except TimeoutError:
                continue
            except OSError as error:
                self.error = self.error or f"receiver: {error}"
                return
            if not data:
                self.error = self.error or "receiver: closed by the other end"
                return
            self.arrivals.append(time.monotonic())

    def between(self, begin: float, end: float) -> int:
        """How many times something new arrived."""
        return sum(begin <= each < end for each in self.arrivals[-2000:])

    def stop(self) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()
        for each in (self._in, self._out, self._listener):
            with contextlib.suppress(OSError):
                each.close()


def longest_gap(arrivals: list[float], begin: float, end: float) -> float:
    """The longest time without an arrival that is not over before `begin`, in s, up to `end`."""
    longest, before = 0.0, begin
    for at in [each for each in arrivals if each < end] + [end]:
        if at > begin:
            longest = max(longest, at - before)
        before = at
    return longest
