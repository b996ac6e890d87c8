"""Baselines: what a customer would have done without the event. Pure functions of its history.

Power is in MW, generation positive, as everywhere: a load is negative, its usage is -p. Each module
is one method, with its source and how well it is known.
"""
