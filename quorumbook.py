"""Quorumbook: an order-matching engine with fault-tolerant replication.

The public names. `import quorumbook` is all that the documentation uses.
"""
