"""The kind Collection: its spec and rules, how it is observed, and the steps that change it."""
