"""Words: what the YAML files may say, as pydantic models, and the loader that reports every mistake with file and line."""
