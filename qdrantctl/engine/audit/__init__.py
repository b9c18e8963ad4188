"""The judging of an audit: facts in, verdicts out. One file for each part of the checklist."""
