"""The reconciler: does jobs, applies what Craftkit says, writes changes."""
