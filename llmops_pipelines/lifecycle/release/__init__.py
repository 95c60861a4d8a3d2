"""What answers users: the gate that decides, the bundle that moves as one thing, and its append-only history.

Import from the files: whoever reads the history alone does not load what evaluates candidates.
"""
