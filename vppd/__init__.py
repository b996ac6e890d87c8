"""vppd: the virtual power plant daemon."""
