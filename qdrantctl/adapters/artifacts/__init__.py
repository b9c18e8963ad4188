"""Files generated for a project: pipelines and scheduled jobs, as text."""
