"""Physics of the simulated units, one file each."""
