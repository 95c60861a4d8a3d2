"""The graph: builders from a pipeline's YAML to Dagster assets, checks, jobs, schedules and sensors. No work is done here."""
