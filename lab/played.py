"""One gateway that is played, by the letter of the protocol: what it says, what it hears, and what it does to its bond.

With `calm` set it comes to rest: both legs up, nothing special asked for, a lease.
"""

import collections
import random
import socket
import struct
import time

from lab.measure import control
from lab.measure.frames import checksum
from lab.rogue import COOKIE, option4, value4
from lab.topology import HAAP

DSL, LTE = 1, 2
FAILURE = {DSL: control.DSL_FAILURE, LTE: control.LTE_FAILURE}
CLIENT_NAME, SESSION_ID, TIMESTAMP, SYNC_RATE, PREFIX, KEY, VERIFICATION = 3, 4, 5, 7, 13, 20, 35
DISCOVER, OFFER, REQUEST, ACK, NAK, RELEASE = 1, 2, 3, 5, 6, 7
HELLO_S, RETRY_S, LEASE_S = 10, 2, 120
# After so long without a word on a leg the aggregation point has given it up: four Hello Intervals and a little.
SILENCE_S = 4 * HELLO_S + 2
# Between two things that one of them does, seconds.
PACE = (20, 100)
ACTIONS = (
    *("leg lost", "leg silent", "renumbered") * 4, *("torn down", "restarted", "vanished") * 2,
    "distribution", "bypass", "hello state", "diagnostic", "released",
)


class Gateway:
    """One of them. `send(leg, source, payload)` sends a GRE packet to the aggregation point."""

    def __init__(self, number: int, chance: random.Random, send, counts: collections.Counter):
        self.number, self.name = number, f"played-{number}"
        self.chance, self.counts = chance, counts
        self._send = send
        self.place = {DSL: 0, LTE: 0}
        self.calm = self.leaves = False
        self.next_action = time.monotonic() + chance.uniform(*PACE)
        self.wait_until = 0.0
        self._forget()

    def _forget(self) -> None:
        """There is no bond any more."""
        self.key = self.session = self.sequence = 0
        self.up: set[int] = set()
        self.said: set[int] = set()
        self.silent: set[int] = set()
        self.due = {DSL: 0.0, LTE: 0.0}
        self.requests = {DSL: 0.0, LTE: 0.0}
        self.lease, self.lease_due, self.transaction = b"", 0.0, 0

    def address(self, leg: int) -> str:
        return f"10.{100 + leg}.{self.place[leg]}.{self.number + 1}"

    @property
    def is_settled(self) -> bool:
        return self.up == {DSL, LTE} and not self.said and not self.silent and bool(self.lease)

    # What is sent

    def say(self, leg: int, kind: int, *attributes: tuple[int, bytes]) -> None:
        text = b"".join(struct.pack(">BH", code, len(value)) + value for code, value in attributes)
        # The whole of GRE's header, then the kind of message and the leg.
        head = struct.pack(">HHIB", 0x2000, 0xB7EA, self.key, kind << 4 | leg)
        self._send(leg, self.address(leg), head + text)

    def notify(self, leg: int, code: int, value: bytes = b"") -> None:
        self.say(leg if leg in self.up else min(self.up, default=LTE), control.NOTIFY, (code, value))

    def hello(self, leg: int, now: float) -> None:
        self.due[leg] = now + HELLO_S
        time_ = struct.pack(">II", int(now), int(now * 1000) % 1000)
        self.say(leg, control.HELLO, (TIMESTAMP, time_), (PREFIX, bytes(17)))

    def request(self, leg: int, now: float) -> None:
        self.requests[leg] = now + RETRY_S
        attributes = [(CLIENT_NAME, self.name.encode().ljust(40, b"\0"))] if leg == LTE else []
        if self.session:
            attributes.append((SESSION_ID, struct.pack(">I", self.session)))
        if leg == DSL:
            attributes.append((SYNC_RATE, struct.pack(">I", 50_000)))
        self.say(leg, control.SETUP_REQUEST, *attributes)

    def data(self, packet: bytes) -> None:
        leg = LTE if LTE in self.up else DSL
        head = struct.pack(">HHII", 0x3000, 0x0800, self.key, self.sequence)
        self.sequence += 1
        self._send(leg, self.address(leg), head + packet)

    def dhcp(self, kind: int, more: bytes = b"") -> None:
        """From the address that is leased, or from none to everybody."""
        has = kind in (REQUEST, RELEASE) and bool(self.lease)
        source, destination = (self.lease, socket.inet_aton(HAAP)) if has else (bytes(4), b"\xff" * 4)
        text = struct.pack(">BBBBIHH", 1, 1, 6, 0, self.transaction, 0, 0) + (source if has else bytes(4)) + bytes(12)
        text += b"\x02\0\0\0" + struct.pack(">H", self.number) + bytes(10 + 192) + COOKIE + option4(53, bytes([kind]))
        text += more + b"\xff"
        udp = struct.pack(">HHHH", 68, 67, 8 + len(text), 0) + text
        head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0) + source + destination
        self.data(head[:10] + struct.pack(">H", checksum(head)) + head[12:] + udp)

    # What comes

    def receive(self, leg: int, packet: bytes, now: float) -> None:
        flags, protocol, key = struct.unpack_from(">HHI", packet)
        if protocol == 0x0800:
            return self.receive_data(packet[12 if flags & 0x1000 else 8 :], now)
        kind, attributes = packet[8] >> 4, dict(parsed(packet[9:]))
        self.counts["messages"] += 1
        if kind == control.SETUP_ACCEPT:
            self.accepted(leg, attributes, now)
        elif kind == control.SETUP_DENY and key == self.key:
            self.denied(leg, now)
        elif key != self.key or leg in self.silent:
            return
        elif kind == control.TEAR_DOWN:
            # A tunnel that failed is of one leg (codes 3 and 4 of RFC 8157 §5.5), all else of the bond.
            self.torn(leg, attributes.get(control.ERROR_CODE, bytes(4))[3], now)
        elif kind == control.NOTIFY:
            self.notified(leg, attributes)

    def accepted(self, leg: int, attributes: dict, now: float) -> None:
        if leg == LTE and KEY in attributes:
            key, session = (struct.unpack(">I", attributes[each])[0] for each in (KEY, SESSION_ID))
            if key != self.key:
                self._forget()
                self.counts["bonds"] += 1
            self.key, self.session = key, session
        elif not self.key:
            return
        self.up.add(leg)
        self.silent.discard(leg)
        self.hello(leg, now)
        if not self.lease:
            self.lease_due = now

    def denied(self, leg: int, now: float) -> None:
        self.counts["denied"] += 1
        self.wait_until = now + 3
        if self.key and not self.up - self.silent:
            self._forget()

    def torn(self, leg: int, code: int, now: float) -> None:
        if code in (3, 4) and self.up - {leg}:
            self.up.discard(leg)
        else:
            self._forget()
        self.wait_until = now + 1

    def notified(self, leg: int, attributes: dict) -> None:
        for code, value in attributes.items():
            if code == VERIFICATION:
                self.notify(leg, code)
            elif code == control.FILTER_LIST:
                self.counts["lists"] += 1
                self.notify(leg, control.FILTER_LIST_ACK, value[:4] + b"\0")

    def receive_data(self, packet: bytes, now: float) -> None:
        start = (packet[0] & 15) * 4
        message = packet[start + 8 :]
        if packet[9] != 17 or message[4:8] != struct.pack(">I", self.transaction):
            return
        kind = value4(message, 53, b"\0")[0]
        if kind == OFFER and not self.lease:
            self.dhcp(REQUEST, option4(50, message[16:20]) + option4(54, value4(message, 54, b"")))
        elif kind == ACK:
            self.counts["leased"] += 1
            self.lease, self.lease_due = message[16:20], now + LEASE_S / 2 * self.chance.uniform(0.8, 1.2)
        elif kind == NAK:
            self.lease, self.lease_due = b"", now

    # What it does

    def work(self, now: float) -> None:
        if self.leaves:
            return self.leave()
        if now < self.wait_until:
            return
        for leg in (LTE, DSL):
            if leg in self.up:
                if leg not in self.silent and self.due[leg] <= now:
                    self.hello(leg, now)
            elif (leg == LTE or self.session) and self.requests[leg] <= now:
                self.request(leg, now)
        if self.up - self.silent and self.lease_due <= now:
            self.lease_due = now + RETRY_S
            self.transaction = self.chance.getrandbits(32)
            self.dhcp(REQUEST if self.lease else DISCOVER)
        if self.calm:
            self.rest()
        elif self.next_action <= now:
            self.next_action = now + self.chance.uniform(*PACE)
            if self.up == {DSL, LTE} and not self.silent:
                self.act(self.chance.choice(ACTIONS), self.chance.choice((DSL, LTE)), now)

    def leave(self) -> None:
        if self.lease and self.up:
            self.dhcp(RELEASE, option4(54, socket.inet_aton(HAAP)))
            self.lease = b""
        elif self.up:
            self.tear_down()

    def tear_down(self) -> None:
        # Codes 4 and 3: the tunnel of this leg has failed.
        for each in sorted(self.up):
            self.say(each, control.TEAR_DOWN, (control.ERROR_CODE, struct.pack(">I", 4 if each == DSL else 3)))
        self._forget()

    def rest(self) -> None:
        """What was silent asks anew at once, what was asked for is taken back."""
        for leg in self.silent:
            self.up.discard(leg)
        self.silent = set()
        if self.up == {DSL, LTE}:
            for code in self.said:
                self.notify(DSL, code)
            self.said = set()

    def act(self, action: str, leg: int, now: float) -> None:
        self.counts[action] += 1
        other = DSL + LTE - leg
        if action == "leg lost":
            self.up.discard(leg)
            self.notify(other, FAILURE[leg])
            self.wait_until = now + self.chance.uniform(0.5, 6)
            self.due[other] = now
        elif action == "leg silent":
            self.silence({leg}, now)
        elif action == "renumbered":
            self.place[leg] = self.place[leg] % 250 + 1
            self.up.discard(leg)
        elif action == "torn down":
            self.tear_down()
            self.wait_until = now + self.chance.uniform(0.5, 6)
        elif action == "restarted":
            self._forget()
        elif action == "vanished":
            self.silence({DSL, LTE}, now)
        elif action == "distribution":
            self.toggle(control.SWITCH_TO_DSL, control.OVERFLOW_TO_LTE)
        elif action == "hello state":
            self.toggle(control.IDLE_STATE, control.ACTIVE_STATE)
        elif action == "diagnostic":
            self.toggle(control.DIAGNOSTIC_LTE, control.DIAGNOSTIC_END)
        elif action == "bypass":
            self.notify(DSL, control.BYPASS_RATE, struct.pack(">I", self.chance.randrange(5000)))
        elif action == "released":
            self.dhcp(RELEASE, option4(54, socket.inet_aton(HAAP)))
            self.lease, self.lease_due = b"", now + 1

    def silence(self, legs: set[int], now: float) -> None:
        """Until the aggregation point must have noticed."""
        self.silent |= legs
        self.next_action = now + SILENCE_S + self.chance.uniform(*PACE)
        self.due |= {leg: now for leg in legs}
        self.silence_ends = now + SILENCE_S

    def wake(self, now: float) -> None:
        if self.silent and self.silence_ends <= now:
            if self.silent >= self.up:
                self._forget()
            self.up -= self.silent
            self.silent = set()

    def toggle(self, on: int, off: int) -> None:
        if off in self.said:
            self.said.discard(off)
            self.notify(DSL, off)
        else:
            self.said.add(off)
            self.notify(DSL, on)


def parsed(text: bytes):
    at = 0
    while at + 3 <= len(text):
        code, length = struct.unpack_from(">BH", text, at)
        yield code, text[at + 3 : at + 3 + length]
        at += 3 + length
