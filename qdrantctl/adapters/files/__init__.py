"""Files of the project: reading, writing and positions in their text."""
