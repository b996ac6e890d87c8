"""Virtual time: the daemon's own code above the links, on a clock that jumps to the next event."""
