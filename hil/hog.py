"""Takes memory away and keeps it busy, until it is ended: `python -m hil.hog SIZE_MB`."""

import sys
import time

PAGE = 4096
REST_S = 0.05  # between two rounds: it presses on memory, not on the processor


def main(size_mb: float) -> None:
    """Hold so much memory, and touch each page of it again and again."""
    held = bytearray(int(size_mb * 1e6))
    while True:
        for at in range(0, len(held), PAGE):
            held[at] = (held[at] + 1) & 0xFF
        time.sleep(REST_S)


if __name__ == "__main__":
    main(float(sys.argv[1]))
