"""Bytes: one class per transport, one protocol for all of them."""
