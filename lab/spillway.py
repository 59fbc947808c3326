"""Spillway in a namespace: its settings, its life, its state. What scenarios know of the product is in this file."""

import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import time

from lab import namespaces
from lab.measure import explained, sent
from lab.scenario import REPOSITORY, Lab
from lab.topology import HAAP, HAAP6, LAN, LAN6, Topology

CIN = "lab-gateway"
# The gateway's own inside the bond: leased by DHCP, and the first host of the prefix that is delegated to its LAN.
INNER, INNER6 = "100.64.0.2", "2001:db8:a::1"
DEVICE = {"hg": "bond0", "haap": "bond0"}


def binary() -> pathlib.Path:
    """The program under test: SPILLWAY_BINARY, else the release build, else the debug build."""
    if chosen := os.environ.get("SPILLWAY_BINARY"):
        return pathlib.Path(chosen)
    release = REPOSITORY / ".build" / "release" / "spillway"
    return release if release.exists() else REPOSITORY / ".build" / "debug" / "spillway"


def prepare() -> None:
    """For scenarios: says how to get the program if there is none."""
    if not binary().exists():
        raise SystemExit(f"{binary()} is missing: build it with make build")


def command(name: str, daemon: "Spillway", *options) -> subprocess.CompletedProcess:
    """Runs `spillway NAME` against a daemon, as a person would in its namespace."""
    words = ["ip", "netns", "exec", daemon.host, str(binary()), name, *map(str, options)]
    words += ["--socket", daemon.value["control"]["socket"]]
    return subprocess.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=300)


def settings(role: str, network: Topology, ipv6: bool = False, **more) -> dict:
    """Settings of one role for a topology. `more` replaces whole values: keys of the top level, and within a table
    single keys, so settings("hg", network, resequencer={"timer": "80 ms"}, lte={"enabled": False}) says the rest."""
    if role == "hg":
        value = {
            "role": "hg", "haap": HAAP6 if ipv6 else HAAP, "lan": ["lan"], "cin": CIN,
            "dsl": {"interface": "dsl", **_rates(network.dsl)},
            "lte": {"interface": "lte", **_rates(network.lte)},
            # Without translation, so that both ends of a flow know each other's address.
            "tunnel": {"name": DEVICE["hg"], "masquerade": False},
        }
    else:
        value = {
            "role": "haap", "address": [HAAP, HAAP6],
            "session": {"active_hello_interval": "1 s"},
            "subscriber": [
                {
                    "cin": CIN, "address": INNER, "prefix": LAN6, "routes": [LAN],
                    "dsl_upstream": _rate(network.dsl.up.mbit), "dsl_downstream": _rate(network.dsl.down.mbit),
                    "lte_downstream": _rate(network.lte.down.mbit),
                }
            ],
        }
    value["control"] = {"socket": f"/run/spillway/{role}.sock"}
    value["state"] = {"directory": f"/run/spillway/{role}"}
    value["log"] = {"level": "debug"}
    for key, item in more.items():
        value[key] = value.get(key, {}) | item if isinstance(item, dict) else item
    return value


def _rates(leg) -> dict[str, str]:
    return {"upstream": _rate(leg.up.mbit), "downstream": _rate(leg.down.mbit)}


def _rate(mbit: float) -> str:
    return f"{round(mbit * 1000)} kbit/s"


def toml(value: dict, path: tuple[str, ...] = ()) -> str:
    """Writes settings as TOML: scalars and lists first, then tables, then arrays of tables."""
    lines = []
    for key, item in value.items():
        if not isinstance(item, dict) and not _is_tables(item):
            # JSON's strings, numbers, booleans and lists of them are TOML's, too.
            lines.append(f"{key} = {json.dumps(item)}")
    for key, item in value.items():
        name = ".".join((*path, key))
        if isinstance(item, dict):
            lines += ["", f"[{name}]", toml(item, (*path, key))]
        elif _is_tables(item):
            for each in item:
                lines += ["", f"[[{name}]]", toml(each, (*path, key))]
    return "\n".join(lines)


def _is_tables(item) -> bool:
    return isinstance(item, list) and bool(item) and isinstance(item[0], dict)


class Spillway:
    """One daemon in one namespace. `with Spillway(lab, "hg", settings) as hg: hg.wait_for("bonded", is_bonded)`
    While it is entered, the control messages that leave its host are captured; tshark must find nothing wrong."""

    def __init__(self, lab: Lab, host: str, value: dict, before: tuple[str, ...] = ()):
        """`before`: a command that runs the program, such as setpriv with its options."""
        self.lab = lab
        self.before = before
        self.host = host
        self.file = lab.out / f"{host}.toml"
        self.log_file = lab.out / f"{host}.log"
        self.process: subprocess.Popen | None = None
        # Whether its control messages are captured and looked at.
        self.watched = True
        # Variables that it is started with, besides those of the lab.
        self.environment: dict[str, str] = {}
        pathlib.Path("/run/spillway").mkdir(exist_ok=True)
        self.configure(value)

    def __enter__(self) -> "Spillway":
        # Where ESP is around them there is nothing to see.
        seen = self.watched and "ipsec" not in self.value
        self._captures = sent.control_messages(self.lab, self.host) if seen else contextlib.nullcontext()
        self._captures.__enter__()
        self.start()
        return self

    def __exit__(self, *exception) -> None:
        try:
            self.stop()
        finally:
            self._captures.__exit__(*exception)

    def configure(self, value: dict) -> None:
        """Writes the settings; a running daemon takes them with `reload`."""
        self.value = value
        self.file.write_text(toml(value) + "\n")

    def start(self) -> None:
        log = open(self.log_file, "ab")
        self.process = namespaces.start(
            self.host, *self.before, binary(), "run", "--config", self.file, stdout=log, stderr=subprocess.STDOUT,
            env=os.environ | self.environment,
        )
        log.close()
        # `ip netns exec` replaces itself by the program, so this is the daemon's own id.
        self.lab.say(f"spillway in {self.host}: process {self.process.pid}")

    def reload(self) -> None:
        self.process.send_signal(signal.SIGHUP)

    def stop(self, timeout: float = 30) -> int | None:
        """Asks it to end (SIGTERM) and returns its exit status; it is a failed check if it does not end."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout)
            except subprocess.TimeoutExpired:
                self.lab.check(f"spillway in {self.host} ends when asked to", False, f"not within {timeout:g} s")
                self.kill()
        status, self.process = self.process.returncode, None
        return status

    def kill(self) -> None:
        """kill -9: what it built stays in the kernel."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def forget(self) -> None:
        """After `kill`: what it left for the next run is lost, and that one begins anew."""
        pathlib.Path(self.value["control"]["socket"] + ".record").unlink(missing_ok=True)

    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def log(self) -> str:
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def status(self) -> dict | None:
        """What `spillway status --json` tells, or nothing while it cannot be asked. Asked without that program, which
        costs the virtual machine ten times what the question does."""
        try:
            return json.loads(self._ask("status"))
        except (OSError, json.JSONDecodeError):
            return None

    def _ask(self, line: str) -> str:
        """A line to the control socket, and all that comes back."""
        answer = b""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(30)
            client.connect(self.value["control"]["socket"])
            client.sendall(f"{line}\n".encode())
            while piece := client.recv(1 << 16):
                answer += piece
        return answer.decode()

    def explain(self, *words) -> dict:
        """What `spillway explain --json` tells of a flow, which is judged by its schema; empty when it fails."""
        command = [str(binary()), "explain", *map(str, words), "--socket", self.value["control"]["socket"], "--json"]
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=30)
        if done.returncode:
            self.lab.say(f"explain {' '.join(map(str, words))}: {done.stderr.strip()}")
            return {}
        answer = json.loads(done.stdout)
        explained.keep(self.lab.out, answer)
        return answer

    def wait_for(self, what: str, condition, seconds: float = 60, every: float = 0.05) -> dict:
        """Polls the status until `condition(status)` holds; returns that status. Ends the scenario if the daemon died
        or the time is over, with the end of its log."""

        def met():
            status = self.status()
            if status is not None and condition(status):
                return status
            if not self.alive():
                self.lab.check(f"spillway in {self.host} lives", False, self.log()[-2000:], required=True)
            return None

        begun = time.monotonic()
        deadline = begun + seconds
        while (status := met()) is None:
            if time.monotonic() > deadline:
                detail = f"not within {seconds:g} s; last: {json.dumps(self.status())[:600]}; log: {self.log()[-1500:]}"
                self.lab.check(f"{self.host}: {what}", False, detail, required=True)
            time.sleep(every)
        self.lab.say(f"{self.host}: {what} after {(time.monotonic() - begun) * 1e3:.0f} ms")
        return status


def leg_states(status: dict) -> dict[str, str]:
    """State of each leg of the first bond, by the leg's name."""
    bonds = status.get("bonds") or [status.get("bond") or {}]
    legs = bonds[0].get("legs", {}) if bonds else {}
    if isinstance(legs, list):
        legs = {leg.get("name", str(number)): leg for number, leg in enumerate(legs)}
    return {name: str(leg.get("state", "")) for name, leg in legs.items()}


def is_bonded(status: dict) -> bool:
    """Both legs are up."""
    states = leg_states(status)
    return all(states.get(name) == "up" for name in ("dsl", "lte"))


def uses_only(leg: str):
    """A condition: just this leg is up."""

    def condition(status: dict) -> bool:
        states = leg_states(status)
        return states.get(leg) == "up" and all(state != "up" for name, state in states.items() if name != leg)

    return condition
