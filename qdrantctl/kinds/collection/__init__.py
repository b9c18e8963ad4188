"""The kind Collection: its spec and rules, its observation, and the steps that change it."""
