"""Control messages as an independent dissector sees them: tshark's `grebonding`."""

import dataclasses
import pathlib
import shutil
import subprocess

from lab import memory


@dataclasses.dataclass
class Dissection:
    """messages counts control messages; malformed and errors quote what tshark objects to."""

    messages: int
    malformed: list[str]
    types: dict[str, int]

    @property
    def clean(self) -> bool:
        return not self.malformed


def control_messages(file: pathlib.Path) -> Dissection:
    """Dissects the control messages (GRE protocol types 0xB7EA and 0x0101) of a capture with whole packets."""
    command = ["tshark", "-n", "-r", str(file), "-Y", "gre.proto == 0xb7ea || gre.proto == 0x0101", "-T", "fields"]
    command += ["-e", "frame.number", "-e", "frame.protocols", "-e", "grebonding.type", "-e", "_ws.malformed"]
    command += ["-e", "_ws.expert.severity", "-e", "_ws.expert.message"]
    timeout: float | None = 300
    if memory.FULL.is_dir():
        # tshark is too large to bring along. Its files are fetched while the virtual clock runs: no limit on that.
        outside = memory.FULL / file.relative_to("/")
        outside.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, outside)
        command, timeout = ["chroot", str(memory.FULL), *command], None
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise RuntimeError(f"tshark: {done.stderr.strip()}")
    malformed, types = [], {}
    lines = done.stdout.splitlines()
    for line in lines:
        number, protocols, kind, broken, severity, message = (line.split("\t") + [""] * 6)[:6]
        types[kind] = types.get(kind, 0) + 1
        # 8388608 is tshark's severity "error".
        if broken or "8388608" in severity.split(","):
            malformed.append(f"frame {number}: {message or 'malformed packet'}")
        elif "grebonding" not in protocols:
            malformed.append(f"frame {number}: not taken for a control message ({protocols})")
    return Dissection(len(lines), malformed, types)
