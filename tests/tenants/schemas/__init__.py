"""A project whose tenants have schemas of their own, and its suite, which runs by its settings."""
