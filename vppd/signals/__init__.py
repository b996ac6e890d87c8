"""Meaning, TSO side: AGC and frequency in, telemetry and headroom out."""
