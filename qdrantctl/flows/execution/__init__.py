"""Execute a plan: one loop for all steps and all commands."""
