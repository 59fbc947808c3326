"""What a scenario gets to work with, and how it is found and run.

A scenario is a file of lab/scenarios: a docstring whose first line is shown by `lab/run --list`, and `run(lab)`.
VIRTUAL_TIME = True says that its figures need the virtual clock where there is no fast enough kernel of one's own.
`prepare()`, if there is one, runs before on the machine outside, to compile something.
NEEDS lists files it uses besides the lab's own, relative to the repository, for example .build/debug/spillway.
A file whose name ends in .toml is a scenario, too (lab/plan.py).
`judge(folder)`, if there is one, runs afterwards on the machine outside, with the scenario's results, and yields checks:
name, whether it passed, detail.
"""

import dataclasses
import importlib
import json
import pathlib
import shutil
import sys
import time
import traceback

from lab import memory, namespaces

SCENARIOS = pathlib.Path(__file__).resolve().parent / "scenarios"
REPOSITORY = SCENARIOS.parent.parent
# In the folder for results: which scenarios some machine has begun.
CLAIMS = "claims"


class Failed(Exception):
    """A check failed without which the rest of the scenario makes no sense."""


@dataclasses.dataclass
class Lab:
    """The run of one scenario: its folder, its checks, its figures, its events."""

    scenario: str
    out: pathlib.Path
    checks: list[dict] = dataclasses.field(default_factory=list)
    figures: dict = dataclasses.field(default_factory=dict)
    events: list[dict] = dataclasses.field(default_factory=list)
    # For the report: what lab/picture.py draws.
    plots: list[dict] = dataclasses.field(default_factory=list)
    # Captures that lab/measure/sent.py judges when the scenario is over.
    sent: list[dict] = dataclasses.field(default_factory=list)
    # Captures of DHCP inside a bond, for the same.
    dhcp: list[dict] = dataclasses.field(default_factory=list)
    started: float = dataclasses.field(default_factory=time.monotonic)

    def say(self, text: str) -> None:
        """Progress, for whoever watches; with the seconds of the clock inside."""
        print(f"  {time.monotonic() - self.started:7.2f}  {text}", flush=True)

    def check(self, name: str, passed: bool, detail: str = "", required: bool = False) -> bool:
        """Notes whether something held. `required`: end the scenario if it did not."""
        self.checks.append({"name": name, "pass": bool(passed), "detail": detail})
        self.say(f"{'ok  ' if passed else 'FAIL'} {name}" + (f": {detail}" if detail else ""))
        if required and not passed:
            raise Failed(name)
        return bool(passed)

    def figure(self, name: str, value: float | int | str) -> None:
        """Notes a figure; numbers are rounded to what is worth reading."""
        self.figures[name] = round(value, 4) if isinstance(value, float) else value
        self.say(f"     {name} = {self.figures[name]}")

    def event(self, label: str) -> None:
        """Marks a moment, for pictures: t is in seconds since the scenario began."""
        self.events.append({"t": round(time.monotonic() - self.started, 3), "label": label})
        self.say(f"---- {label}")

    def plot(self, title: str, subtitle: str, samples: list[dict], series: list[tuple[str, str]], **more) -> dict:
        """Keeps a picture for the report; arguments as for lab/picture.py."""
        kept = {"title": title, "subtitle": subtitle, "samples": samples, "series": series} | more
        self.plots.append(kept)
        return kept

    def near(self, name: str, value: float, wanted: float, percent: float) -> bool:
        """Checks that a value is within `percent` of what is wanted."""
        off = (value / wanted - 1) * 100
        return self.check(name, abs(off) <= percent, f"{value:.3f}, expected {wanted:.3f} ({off:+.1f} %)")

    def at_least(self, name: str, value: float, wanted: float) -> bool:
        return self.check(name, value >= wanted, f"{value:.3f}, at least {wanted:.3f}")

    def at_most(self, name: str, value: float, wanted: float) -> bool:
        return self.check(name, value <= wanted, f"{value:.3f}, at most {wanted:.3f}")

    def wait(self, what: str, condition, seconds: float = 30, interval: float = 0.05):
        """Polls until `condition()` is true and returns its value; it is a failed check if that never happens."""
        deadline = time.monotonic() + seconds
        while True:
            value = condition()
            if value:
                return value
            if time.monotonic() >= deadline:
                self.check(what, False, f"not within {seconds:g} s", required=True)
            time.sleep(interval)

    def save(self, name: str, value) -> pathlib.Path:
        """Writes JSON beside the result."""
        file = self.out / name
        file.write_text(json.dumps(value, indent=1) + "\n")
        return file

    def save_now(self, name: str, text: str) -> None:
        """Writes a file that is kept even if the run is cut. On the virtual clock this may take any time, so nothing may
        be measured meanwhile."""
        file = self.out / name
        file.write_text(text)
        if memory.FULL.is_dir():
            outside = memory.FULL / file.relative_to("/")
            outside.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, outside)

    def result(self) -> dict:
        passed = bool(self.checks) and all(check["pass"] for check in self.checks)
        outcome = {"scenario": self.scenario, "pass": passed, "figures": self.figures, "checks": self.checks}
        return outcome | {"sent": self.sent, "dhcp": self.dhcp}


def names() -> list[str]:
    return sorted(file.stem.replace("_", "-") for file in SCENARIOS.glob("[a-z]*.py"))


def label(name: str) -> str:
    """What results are called by."""
    return pathlib.Path(name).stem if name.endswith(".toml") else name


def load(name: str):
    """The module of a scenario, or what does for one."""
    if name.endswith(".toml"):
        # Needs this module itself.
        return importlib.import_module("lab.plan").load(pathlib.Path(name))
    if name not in names():
        raise SystemExit(f"lab/run: no scenario {name}; there are: {', '.join(names())}")
    return importlib.import_module(f"lab.scenarios.{name.replace('-', '_')}")


def claim(name: str, out: pathlib.Path) -> bool:
    """Takes a scenario that no other machine has begun; they share the folder for results."""
    shared = memory.FULL / out.relative_to("/") if memory.FULL.is_dir() else out
    (shared / CLAIMS).mkdir(exist_ok=True)
    try:
        (shared / CLAIMS / label(name)).mkdir()
    except FileExistsError:
        return False
    return True


def run(name: str, out: pathlib.Path) -> dict:
    """Runs one scenario here and now, and writes OUT/NAME/result.json."""
    folder = out / label(name)
    folder.mkdir(parents=True, exist_ok=True)
    lab = Lab(label(name), folder)
    print(f"== {label(name)}", flush=True)
    # What daemons of a scenario before remember is none of this one's business.
    shutil.rmtree(namespaces.STATE, ignore_errors=True)
    try:
        load(name).run(lab)
    except Failed:
        pass
    except Exception as error:
        traceback.print_exc(file=sys.stdout)
        lab.check("ran to the end", False, f"{type(error).__name__}: {error}")
    result = lab.result()
    result["seconds"] = round(time.monotonic() - lab.started, 2)
    (folder / "result.json").write_text(json.dumps(result) + "\n")
    lab.save("plots.json", lab.plots)
    publish(folder)
    return result


def judge(name: str, result: dict, folder: pathlib.Path) -> None:
    """Adds what the scenario's judge finds, in memory and in the result's file."""
    judged = getattr(load(name), "judge", None)
    if judged is None or not (folder / "result.json").exists():
        return
    try:
        checks = [{"name": name, "pass": passed, "detail": detail} for name, passed, detail in judged(folder)]
    except Exception as error:  # It must fail this scenario, not all others.
        checks = [{"name": "what came of it can be judged", "pass": False, "detail": f"{type(error).__name__}: {error}"}]
    for check in checks:
        print(f"  {result['scenario']}: {'ok  ' if check['pass'] else 'FAIL'} {check['name']}: {check['detail'][:500]}")
    result["checks"] += checks
    result["pass"] = result["pass"] and all(check["pass"] for check in checks)
    (folder / "result.json").write_text(json.dumps(result) + "\n")


def publish(folder: pathlib.Path) -> None:
    """Copies results to the machine outside, if this one lives in memory."""
    if memory.FULL.is_dir():
        shutil.copytree(folder, memory.FULL / folder.relative_to("/"), dirs_exist_ok=True)


def files(name: str) -> list[pathlib.Path]:
    """What a scenario needs besides the lab."""
    return [REPOSITORY / file for file in getattr(load(name), "NEEDS", ())]
