"""Scheduled jobs generated from a project."""
