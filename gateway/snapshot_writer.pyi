class SnapshotWriter:
    """Makes the bytes of a snapshot; `Exchange.snapshot` uses it."""
