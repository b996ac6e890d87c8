"""Alarms by the ideas of ISA-18.2: what an operator must act on, and nothing else."""
