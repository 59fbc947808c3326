"""Tables of figures as documents have them (Markdown)."""


def table(head: list[str], rows: list[list[str]]) -> str:
    """A line for each row, below `head` and a rule. Nothing in a cell needs to be escaped."""
    lines = ["| " + " | ".join(each) + " |" for each in (head, *rows)]
    lines.insert(1, "|" + "---|" * len(head))
    # What is empty is one space wide.
    return "\n".join(lines).replace("|  |", "| |") + "\n"
