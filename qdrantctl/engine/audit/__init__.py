"""The checks of an audit: evidence in, verdicts out. One file per part of the checklist."""
