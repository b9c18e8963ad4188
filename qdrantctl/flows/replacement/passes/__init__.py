"""The passes of a replacement: they bring the points of one collection into another one."""
