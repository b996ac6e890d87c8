"""Meaning, DER side: point tables to MW, pu and Quality; one module per kind."""
