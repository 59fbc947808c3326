"""Control messages as an independent dissector sees them: tshark's `grebonding`."""

import dataclasses
import pathlib
import subprocess


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
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL)
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
