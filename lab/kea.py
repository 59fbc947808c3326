"""An operator's DHCP servers: Debian's Kea in the server's namespace, for both families, behind the aggregator's relay."""

import csv
import json
import os
import pathlib
import subprocess

from lab import namespaces
from lab.scenario import Lab
from lab.topology import SERVER, SERVER6

PROGRAMS = [pathlib.Path("/usr/sbin/kea-dhcp4"), pathlib.Path("/usr/sbin/kea-dhcp6")]


class Kea:
    """`with Kea(lab, …) as kea:` has both servers running. Leases last `lease_s` seconds."""

    def __init__(self, lab: Lab, pool: str, pool6: str, relay: str, relay6: str, lease_s: int):
        """`pool`: an IPv4 network, of which all but the first and the last are given away; `pool6`: an IPv6 prefix, cut
        into /56; `relay`, `relay6`: by which addresses of the relay the servers know that a request is for these."""
        self.lab = lab
        self.folder = lab.out / "kea"
        self.folder.mkdir(exist_ok=True)
        self.processes: list[subprocess.Popen] = []
        prefix, length = pool6.split("/")
        self.settings = {
            "kea-dhcp4": {"Dhcp4": self._common(4, lease_s) | {
                # Messages come from the relay only.
                "interfaces-config": {"interfaces": ["s0/" + SERVER], "dhcp-socket-type": "udp"},
                "subnet4": [{"id": 1, "subnet": pool, "pools": [{"pool": pool}], "relay": {"ip-addresses": [relay]}}],
                "option-data": [{"name": "domain-name-servers", "data": "192.0.2.53"}],
            }},
            "kea-dhcp6": {"Dhcp6": self._common(6, lease_s) | {
                "interfaces-config": {"interfaces": ["s0/" + SERVER6]},
                "preferred-lifetime": lease_s,
                "server-id": {"type": "LL", "htype": 1, "identifier": "020000000547", "persist": False},
                "subnet6": [{
                    "id": 1, "subnet": relay6 + "/128", "relay": {"ip-addresses": [relay6]},
                    "pd-pools": [{"prefix": prefix, "prefix-len": int(length), "delegated-len": 56}],
                }],
                "option-data": [{"name": "dns-servers", "data": "2001:db8::53"}],
            }},
        }

    def _common(self, family: int, lease_s: int) -> dict:
        name = f"kea-dhcp{family}"
        return {
            "lease-database": {
                "type": "memfile", "persist": True, "name": str(self.folder / f"leases{family}.csv"), "lfc-interval": 0,
            },
            "valid-lifetime": lease_s, "renew-timer": lease_s // 2, "rebind-timer": lease_s * 7 // 8,
            "loggers": [{
                "name": name, "severity": "DEBUG", "debuglevel": 40,
                "output_options": [{"output": "stdout", "flush": True}],
            }],
        }

    def __enter__(self) -> "Kea":
        self.start()
        return self

    def __exit__(self, *exception) -> None:
        self.stop()

    def start(self) -> None:
        places = {"KEA_PIDFILE_DIR": str(self.folder), "KEA_LOCKFILE_DIR": "none"}
        for program in PROGRAMS:
            file = self.folder / f"{program.name}.json"
            file.write_text(json.dumps(self.settings[program.name], indent=1))
            with open(self.folder / f"{program.name}.log", "ab") as log:
                self.processes.append(namespaces.start(
                    "server", program, "-c", file, stdout=log, stderr=subprocess.STDOUT, env=os.environ | places))
        self.lab.wait("Kea listens", self._listens)

    def _listens(self) -> bool:
        for program, process in zip(PROGRAMS, self.processes):
            if process.poll() is not None:
                text = (self.folder / f"{program.name}.log").read_text()
                raise RuntimeError(f"{program.name} ended: {text[-1500:]}")
        seen = namespaces.run("server", "ss", "-Hlun")
        return f"{SERVER}:67" in seen and f"[{SERVER6}]:547" in seen

    def stop(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()
        self.processes = []

    def leases(self, family: int) -> dict[str, dict[str, str]]:
        """The lease file: the last line of each address holds. `state` is 0 for a lease, 1 declined, 2 reclaimed; a
        lease that was released has a `valid_lifetime` of 0 or is gone."""
        file = self.folder / f"leases{family}.csv"
        if not file.exists():
            return {}
        with open(file, newline="") as lines:
            return {each["address"]: each for each in csv.DictReader(lines)}

    def log(self, family: int) -> str:
        return (self.folder / f"kea-dhcp{family}.log").read_text(errors="replace")
