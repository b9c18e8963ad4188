"""Files that follow from a project: pipelines and scheduled jobs, as text."""
