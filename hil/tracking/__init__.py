"""The tracking table: how closely each allocation policy follows, against what was possible.

`cases.py` says what is run and what must be reached; `plan.py` makes jobs of it, `worker.py` does
one, `store.py` keeps what is done, so that an interrupted table goes on from there. `table.py` sums
up, `terminal.py`, `record.py` and `page.py` tell it. `command.py` does it all, in order; the
processes are those of the campaigns.
"""
