"""What `spillway explain` says of flows, for comparison with the wires; and judged by its schema when all is over."""

import dataclasses
import json
import pathlib

# A line for each answer of a scenario, in the order in which they were asked for.
FILE = "explained.jsonl"


@dataclasses.dataclass(frozen=True)
class Explained:
    """An answer's way into a bond. `unused` has why, by the leg's name."""

    way: str
    chooser: str | None
    leg: str | None
    beyond: str | None
    legs: tuple[str, ...]
    unused: dict[str, str]
    raw: dict = dataclasses.field(repr=False)

    @classmethod
    def of(cls, answer: dict) -> "Explained":
        bond = answer.get("bond", {})
        return cls(
            way=answer.get("way", ""), chooser=bond.get("chooser"), leg=bond.get("leg"), beyond=bond.get("beyond"),
            legs=tuple(each["leg"] for each in bond.get("legs", [])),
            unused={each["leg"]: each["why"] for each in bond.get("unused", [])}, raw=answer)


def keep(folder: pathlib.Path, answer: dict) -> None:
    with open(folder / FILE, "a") as file:
        file.write(json.dumps(answer) + "\n")


def judge(result: dict, folder: pathlib.Path, repository: pathlib.Path) -> None:
    """Adds a check to the result of a scenario that asked, in memory and in its file."""
    if not (folder / FILE).exists():
        return
    import jsonschema

    schema = jsonschema.Draft202012Validator(json.loads((repository / "docs/explain.schema.json").read_text()))
    answers = [json.loads(line) for line in (folder / FILE).read_text().splitlines()]
    wrong = [f"{error.json_path}: {error.message}" for each in answers for error in schema.iter_errors(each)]
    check = {"name": "explain answers as docs/explain.schema.json has it", "pass": not wrong,
             "detail": f"{len(answers)} answers; {'; '.join(wrong[:5])}"}
    print(f"  {result['scenario']}: {'ok  ' if check['pass'] else 'FAIL'} {check['name']}: {check['detail'][:500]}")
    result["checks"].append(check)
    result["pass"] = result["pass"] and check["pass"]
    (folder / "result.json").write_text(json.dumps(result) + "\n")
