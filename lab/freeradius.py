"""Debian's FreeRADIUS in a namespace: subscribers from a file, accounting into another, changes by radclient."""

import pathlib
import subprocess

from lab import namespaces
from lab.scenario import REPOSITORY, Lab

PROGRAM = pathlib.Path("/usr/sbin/freeradius")
CLIENT = pathlib.Path("/usr/bin/radclient")
MODULES = pathlib.Path("/usr/lib/freeradius")
DICTIONARIES = pathlib.Path("/usr/share/freeradius")
OURS = REPOSITORY / "deploy" / "radius" / "dictionary.spillway"
# What a scenario needs to have at hand; OpenSSL's module is for ciphers that are not used here, but it has to be there.
FILES = [
    PROGRAM, CLIENT, DICTIONARIES, OURS, *(MODULES / f"rlm_{name}.so" for name in ("files", "pap", "detail")),
    *pathlib.Path("/usr/lib").glob("*/ossl-modules/legacy.so"),
]
SECRET = "a secret of the lab"

CONFIGURATION = """
name = {name}
prefix = {folder}
localstatedir = {folder}
raddbdir = {folder}
libdir = {modules}
logdir = {folder}
run_dir = {folder}
pidfile = {folder}/pid
max_request_time = 10
cleanup_delay = 0
hostname_lookups = no
log {{
  destination = files
  file = {folder}/log
  auth = yes
}}
security {{
  max_attributes = 200
  reject_delay = 0
  status_server = no
}}
proxy_requests = no
client haap {{
  ipaddr = {client}
  secret = "{secret}"
  require_message_authenticator = yes
}}
modules {{
  files {{
    usersfile = {folder}/users
  }}
  pap {{
  }}
  detail {{
    filename = {folder}/detail
    permissions = 0600
    header = "%t"
  }}
}}
server default {{
  listen {{
    type = auth
    ipaddr = {address}
    port = 1812
  }}
  listen {{
    type = acct
    ipaddr = {address}
    port = 1813
  }}
  authorize {{
    files
    pap
  }}
  authenticate {{
    Auth-Type PAP {{
      pap
    }}
  }}
  accounting {{
    detail
  }}
  # Debian 12's FreeRADIUS signs its answers only where it is told to.
  post-auth {{
    update reply {{
      &Message-Authenticator := 0x00
    }}
    Post-Auth-Type REJECT {{
      update reply {{
        &Message-Authenticator := 0x00
      }}
    }}
  }}
}}
"""


def prepare() -> None:
    """On the machine outside: the packages, without a service that starts."""
    if not PROGRAM.exists() or not CLIENT.exists():
        subprocess.run([REPOSITORY / "lab" / "install", "freeradius", "freeradius-utils"], check=True)


class FreeRADIUS:
    """`users`: the text of its users file. `address` is put on the device of the host that leads to the client."""

    def __init__(self, lab: Lab, name: str, address: str, client: str, users: str, host: str = "server"):
        self.lab, self.name, self.address, self.host = lab, name, address, host
        self.folder = lab.out / name
        self.folder.mkdir(exist_ok=True)
        self.process: subprocess.Popen | None = None
        namespaces.run(host, "ip", "address", "replace", f"{address}/24", "dev", "s0")
        (self.folder / "dictionary").write_text(f"$INCLUDE {OURS}\n")
        (self.folder / "users").write_text(users)
        values = {
            "name": name, "folder": self.folder, "address": address, "client": client, "secret": SECRET,
            "modules": MODULES,
        }
        (self.folder / f"{name}.conf").write_text(CONFIGURATION.format(**values))

    def start(self) -> None:
        command = [PROGRAM, "-f", "-d", self.folder, "-D", DICTIONARIES, "-n", self.name]
        log = open(self.folder / "output", "ab")
        self.process = namespaces.start(self.host, *command, stdout=log, stderr=subprocess.STDOUT)
        log.close()
        self.lab.wait(f"{self.name} listens", self._listens, seconds=60)

    def _listens(self) -> bool:
        if self.process.poll() is not None:
            raise RuntimeError(f"FreeRADIUS ended: see {self.folder}/output and log")
        return f"{self.address}:1813 " in namespaces.run(self.host, "ss", "-Hlun")

    def kill(self) -> None:
        """Nobody listens any more: the host answers with an ICMP error."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def records(self, status: str | None = None) -> list[dict[str, str]]:
        """What it was told, one record after the other; of one Acct-Status-Type."""
        file = self.folder / "detail"
        found = []
        for block in file.read_text().split("\n\n") if file.exists() else []:
            pairs = [line.strip().split(" = ", 1) for line in block.splitlines() if " = " in line]
            record = {name: value.strip('"') for name, value in pairs}
            if record and (status is None or record.get("Acct-Status-Type") == status):
                found.append(record)
        return found

    def ask(self, kind: str, attributes: str, to: str, secret: str = SECRET, host: str | None = None) -> str:
        """Sends a `coa` or `disconnect` request by radclient, as an operator would, and returns what it printed."""
        command = [CLIENT, "-x", "-r", "1", "-t", "2", "-d", self.folder, "-D", DICTIONARIES]
        return namespaces.run(
            host or self.host, *command, f"{to}:3799", kind, secret, text=attributes + "\n", check=False)
