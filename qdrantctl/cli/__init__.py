"""The command line: arguments become one flow, one renderer, one exit code."""
