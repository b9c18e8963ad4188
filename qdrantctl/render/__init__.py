"""Pillar: telling. One file per output format, each a pure function from plan or report to text."""
