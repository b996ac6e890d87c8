"""YAML text to a frozen schema, every complaint with its line."""
