"""Importing: live specs in manifest form, and the three-way merge. Pure."""
