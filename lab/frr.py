"""Debian's FRR in a host's namespace: zebra, bfdd and bgpd, told by vtysh what an operator's file tells them."""

import pathlib
import shutil
import subprocess

from lab import namespaces
from lab.scenario import REPOSITORY, Lab

DAEMONS = [pathlib.Path("/usr/lib/frr") / name for name in ("zebra", "bfdd", "bgpd")]
VTYSH = pathlib.Path("/usr/bin/vtysh")
PAM = pathlib.Path("/etc/pam.d/frr")
# What a scenario needs to have at hand.
FILES = [*DAEMONS, VTYSH, PAM, *pathlib.Path("/usr/lib").glob("*/security/pam_permit.so")]


def prepare() -> None:
    """On the machine outside: the package, without a service that starts."""
    if not all(each.exists() for each in FILES):
        subprocess.run([REPOSITORY / "lab" / "install", "frr"], check=True)


class FRR:
    """`with FRR(lab, "core", text):` has the daemons running; `text` is what an operator has in /etc/frr/frr.conf."""

    def __init__(self, lab: Lab, host: str, text: str):
        self.lab, self.host = lab, host
        self.folder = lab.out / f"frr-{host}"
        self.folder.mkdir(exist_ok=True)
        self.configuration = self.folder / "frr.conf"
        self.configuration.write_text(text)
        # Sockets; the daemons give up their rights before they make them.
        self.sockets = pathlib.Path(f"/run/frr-{host}")
        self.processes: list[subprocess.Popen] = []

    def __enter__(self) -> "FRR":
        self.sockets.mkdir(exist_ok=True)
        shutil.chown(self.sockets, "frr", "frr")
        for program in DAEMONS:
            name = program.name
            words = [program, "-f", "/dev/null", "-i", self.sockets / f"{name}.pid", "-z", self.sockets / "zserv.api",
                     "--vty_socket", self.sockets, "-P", 0, "--log", "stdout"]
            words += ["--bfdctl", self.sockets / "bfdd.sock"] if name == "bfdd" else []
            with open(self.folder / f"{name}.log", "ab") as log:
                self.processes.append(
                    namespaces.start(self.host, *words, stdout=log, stderr=subprocess.STDOUT))
            self.lab.wait(f"{self.host}: {name} listens", (self.sockets / f"{name}.vty").exists)
        self.command("-f", self.configuration)
        return self

    def command(self, *words) -> str:
        """What vtysh answers. Raises CommandError for a line that it does not take."""
        # Debian's asks for accounts, which are not there on the virtual clock.
        (self.folder / "pam").write_text("auth sufficient pam_permit.so\naccount sufficient pam_permit.so\n")
        script = 'mount --bind "$0" "$1" && shift && exec "$@"'
        vtysh = [VTYSH, "--vty_socket", self.sockets, *words]
        return namespaces.run(self.host, "unshare", "-m", "sh", "-c", script, self.folder / "pam", PAM, *vtysh)

    def __exit__(self, *exception) -> None:
        for process in reversed(self.processes):
            process.terminate()
        for process in self.processes:
            process.wait(30)
        shutil.rmtree(self.sockets, ignore_errors=True)
