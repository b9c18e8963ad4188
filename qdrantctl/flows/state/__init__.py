"""The three states: desired, live, and last applied."""
