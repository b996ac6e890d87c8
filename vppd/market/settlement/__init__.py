"""Settlement: energy by interval, product and unit, performance and amounts: pure functions."""
