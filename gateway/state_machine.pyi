"""sessions + orders + machine + feed: `apply` reads the log entry and the state, and nothing else."""

class StateMachine:
    """Log entries go in by apply (or begin and step). `Exchange` is one that can be looked at, and kept."""
