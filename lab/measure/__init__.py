"""Measuring: flows, delay, order, captures, and the state of a host."""
