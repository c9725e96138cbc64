"""The memory that reports are written to, and handed over in."""

class ReportBuffer:
    """The memory under an array that `apply` returned: it belongs to that array alone."""
