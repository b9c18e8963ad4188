"""Files of the project: their text and where it stands."""
