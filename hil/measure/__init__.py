"""From the recording of a run to its figures: no clock, no device, the daemon by its commands."""
