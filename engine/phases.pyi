"""Phases, and the trades of an auction. For C callers only."""
