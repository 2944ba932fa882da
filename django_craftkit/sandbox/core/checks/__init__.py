"""Which inputs Craftkit takes, without HTTP."""
