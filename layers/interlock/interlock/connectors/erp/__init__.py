"""ERP: the system of financial record."""
