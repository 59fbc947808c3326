"""Debian's strongSwan in a host's namespace: charon with the file that `spillway ipsec` writes, and nothing else."""

import os
import pathlib
import shutil
import subprocess

from lab import namespaces, spillway
from lab.scenario import Lab

CHARON = pathlib.Path("/usr/sbin/charon-systemd")
SWANCTL = pathlib.Path("/usr/sbin/swanctl")
PLUGINS = pathlib.Path("/usr/lib/ipsec/plugins")
OPENSSL = pathlib.Path("/usr/bin/openssl")
LOADED = "random nonce openssl pem pkcs1 pkcs8 x509 pubkey constraints kdf kernel-netlink socket-default vici"


class Authority:
    """A certification authority of the lab's own, and the certificates that it has issued, in a folder."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        folder.mkdir(exist_ok=True)
        # Without one openssl asks who it is for.
        (folder / "openssl.cnf").write_text("[req]\ndistinguished_name = name\n[name]\n")
        self._request("ca", "lab", "basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign")

    def issue(self, name: str, identity: str) -> str:
        """A certificate for a host name or an IP address; returns its file's name."""
        kind = "IP" if ":" in identity or identity.replace(".", "").isdigit() else "DNS"
        self._request(name, identity, f"subjectAltName={kind}:{identity}", issuer="ca")
        return f"{name}.pem"

    def _request(self, name: str, subject: str, *extensions: str, issuer: str | None = None) -> None:
        words = [OPENSSL, "req", "-x509", "-config", self.folder / "openssl.cnf", "-days", 30, "-nodes"]
        words += ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-subj", f"/CN={subject}"]
        words += [word for each in extensions for word in ("-addext", each)]
        words += ["-keyout", self.folder / f"{name}.key", "-out", self.folder / f"{name}.pem"]
        if issuer is not None:
            words += ["-CA", self.folder / f"{issuer}.pem", "-CAkey", self.folder / f"{issuer}.key"]
        namespaces.run(None, *words)

    def install(self, name: str, folder: pathlib.Path) -> None:
        """Puts what a host has to have into folders as swanctl wants them."""
        for kind, file in (("x509ca", "ca.pem"), ("x509", f"{name}.pem"), ("private", f"{name}.key")):
            (folder / kind).mkdir(parents=True, exist_ok=True)
            shutil.copy(self.folder / file, folder / kind)


class StrongSwan:
    """`with StrongSwan(lab, daemon):` runs charon for a daemon's host, keyed by its settings; `authority` has issued a
    certificate with the host's name."""

    def __init__(self, lab: Lab, daemon: "spillway.Spillway", authority: Authority | None = None):
        self.authority = authority
        self.lab = lab
        self.daemon = daemon
        self.host = daemon.host
        self.folder = lab.out / f"strongswan-{self.host}"
        self.folder.mkdir(exist_ok=True)
        if authority is not None:
            authority.install(self.host, self.folder)
        self.uri = f"unix://{self.folder}/vici"
        self.log_file = self.folder / "charon.log"
        self.process: subprocess.Popen | None = None

    def __enter__(self) -> "StrongSwan":
        (self.folder / "strongswan.conf").write_text(f"""
            charon-systemd {{
                load = {LOADED}
                # Routes of its own would lead a leg's packets to the other one.
                install_routes = no
                journal {{
                    default = -1
                }}
                filelog {{
                    log {{
                        path = {self.log_file}
                        flush_line = yes
                        default = 1
                        knl = 2
                    }}
                }}
                plugins {{
                    vici {{
                        socket = {self.uri}
                    }}
                }}
            }}
            """)
        # Its process file has one name for the whole machine: each daemon gets a folder of its own there.
        own = f"/run/strongswan-{self.host}"
        words = ["ip", "netns", "exec", self.host, "unshare", "-m", "sh", "-c",
                 f"mkdir -p {own} && mount --bind {own} /var/run && exec {CHARON}"]
        self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL, env=self._environment())
        self.lab.wait(f"{self.host}: charon listens", (self.folder / "vici").exists)
        self.load()
        return self

    def _environment(self) -> dict[str, str]:
        # swanctl's folders for certificates and keys are looked for in the second.
        return os.environ | {"STRONGSWAN_CONF": str(self.folder / "strongswan.conf"), "SWANCTL_DIR": str(self.folder)}

    def load(self) -> None:
        """Writes the file anew and has charon read it."""
        words = [spillway.binary(), "ipsec", "--config", self.daemon.file]
        file = self.folder / "swanctl.conf"
        file.write_text(namespaces.run(self.host, *words))
        self.command("--load-all", "--file", file)

    def command(self, *words) -> str:
        done = subprocess.run(
            ["ip", "netns", "exec", self.host, str(SWANCTL), *map(str, words), "--uri", self.uri], text=True,
            capture_output=True, stdin=subprocess.DEVNULL, timeout=60, env=self._environment())
        if done.returncode:
            raise namespaces.CommandError(f"swanctl {words}: {done.stderr or done.stdout}")
        return done.stdout

    def log(self) -> str:
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def __exit__(self, *exception) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(30)
        # Results are files: a socket cannot be copied.
        (self.folder / "vici").unlink(missing_ok=True)
