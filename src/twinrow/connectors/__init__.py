"""Systems that twinrow reads and writes, each behind the protocol of `base`."""
