"""Tables of figures as documents have them (Markdown)."""


def table(head: list[str], rows: list[list[str]]) -> str:
    """A line for each row, below `head` and a rule; no end of line after the last. Nothing in a cell needs to be escaped."""
    lines = ["|" + "|".join(f" {cell} " if cell else " " for cell in each) + "|" for each in (head, *rows)]
    return "\n".join([lines[0], "|" + "---|" * len(head), *lines[1:]])
