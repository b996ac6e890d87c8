"""`vppd report`: a day of a journal as one HTML page that opens without a network."""
