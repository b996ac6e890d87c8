"""Campaigns: one scenario over many seeds on all cores, in virtual time, summed up.

`plan.py` says what is run, `pool.py` spreads it over processes, `seed.py` runs one seed in them and
gives its `row.py`; `summary.py`, `terminal.py` and `page.py` tell what came of all of them, and
`regression.py` keeps a failed seed as a scenario of its own. `campaign.py` does it all, in order.
"""
