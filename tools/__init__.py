"""Generators of documentation: pictures and reference pages made from the program itself."""
