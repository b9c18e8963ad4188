"""Generators of documentation: pictures and reference pages."""
