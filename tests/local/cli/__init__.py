"""The command line, against one local cloud: it is closed after the last test of this package."""
