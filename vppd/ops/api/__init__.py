"""The HTTP API and the console. They run in a process of their own.

    daemon  ── frames, status, inputs ──►  api process  ── HTTP, WebSocket ──►  viewers
            ◄── orders, audit (JSON) ────

So a viewer that asks too much costs the tick nothing: no lock of the interpreter is shared, and
what parses requests from the network has no link to a device. The daemon leaves one frame a tick
in a pipe; what the api process does not take in time is dropped.
"""
