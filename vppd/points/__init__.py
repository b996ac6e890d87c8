"""Point tables shared by devices and signals: address, format, scale, sign."""
