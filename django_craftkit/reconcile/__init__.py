"""The reconciler: does the jobs, hears the facts, writes the changes."""
