"""What a daemon asks of the kernel, by strace."""

import contextlib
import pathlib
import signal
import subprocess

PROGRAM = pathlib.Path("/usr/bin/strace")


@contextlib.contextmanager
def system_calls(lab, process: int, kinds: str, length: int = 32):
    """The file that has them when the block has ended: of these `kinds`, with what strace knows of their descriptors and
    `length` bytes of their data."""
    file = lab.out / "strace.txt"
    words = [PROGRAM, "-f", "-yy", "-e", f"trace={kinds}", "-s", str(length), "-o", file, "-p", str(process)]
    tracer = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    try:
        # It has stopped the daemon once by then.
        tracer.stderr.readline()
        yield file
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.wait()
