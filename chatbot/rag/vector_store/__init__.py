"""Nearest-neighbour search in memory, and the snapshots it starts from."""
