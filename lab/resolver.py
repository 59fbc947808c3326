"""A resolver: Debian's dnsmasq in a namespace, such as an access router's, on addresses of its own."""

import pathlib
import subprocess

from lab import namespaces
from lab.scenario import Lab

PROGRAM = pathlib.Path("/usr/sbin/dnsmasq")


class Resolver:
    """`addresses`: where it listens, put on the host's loopback device for good unless they are there already."""

    def __init__(self, lab: Lab, host: str, *addresses: str, present: bool = False):
        self.lab, self.host, self.addresses = lab, host, addresses
        self.process: subprocess.Popen | None = None
        for address in () if present else addresses:
            length = 128 if ":" in address else 32
            namespaces.run(host, "ip", "address", "replace", f"{address}/{length}", "dev", "lo")

    def answer(self, name: str, targets: list[str], ttl: int = 300) -> None:
        """From now on it answers so, and knows nothing else."""
        self.serve(*(f"--host-record={name},{target},{ttl}" for target in targets))

    def serve(self, *options: str) -> None:
        """From now on it does what these options of dnsmasq say, and knows nothing else."""
        self.stop()
        command = [PROGRAM, "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--no-poll"]
        command += ["--user=root", "--pid-file=", "--log-facility=-", "--log-queries", "--bind-interfaces"]
        command += [f"--listen-address={address}" for address in self.addresses]
        command += options
        log = open(self.lab.out / f"resolver-{self.host}.log", "ab")
        self.process = namespaces.start(self.host, *command, stdout=log, stderr=subprocess.STDOUT)
        log.close()
        self.lab.wait(f"the resolver of {self.host} listens", self._listens)

    def _listens(self) -> bool:
        if self.process.poll() is not None:
            raise RuntimeError(f"dnsmasq in {self.host} ended: see resolver-{self.host}.log")
        return ":53 " in namespaces.run(self.host, "ss", "-Hlun")

    def stop(self) -> None:
        """Nobody listens any more: the router answers with an ICMP error."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def silence(self, on: bool) -> None:
        """Questions are dropped without a word."""
        if on:
            rule = "table inet silence { chain input { type filter hook input priority 0; th dport 53 drop; }; }"
            namespaces.run(self.host, "nft", rule)
        else:
            namespaces.run(self.host, "nft", "delete table inet silence")
