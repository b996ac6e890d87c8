"""A run in virtual time on two processes: one has a part of the units, and their links.

    main                                          worker
    TSO, tick, journal, the rest of the units     its units: physics, links, drivers, runners
    stand-ins of the worker's units         <-->  their runners

Between two ticks no unit hears of another, so both run by themselves. Main tells how far the worker
may go: to where main is, or ahead of it, to the earliest instant at which a tick can begin. When
main looks at a unit, the worker catches up to that instant and says what stands in its slots
(`slots.py`). So the course of things is the same, to
the bit, on one process and on two.
"""
