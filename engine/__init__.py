"""Matching. Integers only; no clock, no files, no FIX."""
