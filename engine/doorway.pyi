"""The one guarded doorway between C callers and the books."""

class Doorway:
    """Commands in, reports out, for C callers; the Machine of Python is one."""
