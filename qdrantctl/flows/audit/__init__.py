"""The security audit: evidence collected, checklist answered."""
