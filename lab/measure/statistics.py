"""Percentiles, by the nearest rank: every figure is a value that was measured."""

import math


def percentiles(values: list[float]) -> dict[str, float]:
    """min, p50, p95, p99, max and avg; empty for no values."""
    if not values:
        return {}
    ordered = sorted(values)

    def rank(share: float) -> float:
        return ordered[max(0, math.ceil(share * len(ordered)) - 1)]

    figures = {"min": ordered[0], "p50": rank(0.5), "p95": rank(0.95), "p99": rank(0.99), "max": ordered[-1]}
    figures["avg"] = sum(ordered) / len(ordered)
    return {name: round(value, 3) for name, value in figures.items()}
