"""What a Craftkit holds and does, without HTTP."""
