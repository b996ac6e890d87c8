"""The pure tick. No clock, I/O, log, randomness or await below here."""
