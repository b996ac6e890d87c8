"""What people see: log, events, status."""
