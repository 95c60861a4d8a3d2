"""Child processes that may be killed: limits on time, memory and output, no network, nothing they say is trusted."""
