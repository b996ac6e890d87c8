"""The shell: clock, image, loop, supervisor, notify, daemon."""
