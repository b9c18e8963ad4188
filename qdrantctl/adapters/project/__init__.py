"""The project: its file, environments, connection, committed state and saved plans."""
