"""What the processes of a measure have beside the package: counters that outlive them."""
