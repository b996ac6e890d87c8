"""The transmission system operator: signals and the DNP3 master."""
