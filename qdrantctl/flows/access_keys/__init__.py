"""Access keys: tokens issued, checked and rotated."""
