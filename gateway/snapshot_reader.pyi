class SnapshotReader:
    """The bytes of a snapshot; `Exchange.restore` uses it."""
