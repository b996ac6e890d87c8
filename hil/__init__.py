"""vppd-hil: the bench. A separate program that speaks only the protocols."""
