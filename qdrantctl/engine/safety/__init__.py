"""The safety rules and gates of a plan. Pure."""
