"""CRM: pipeline, opportunities, accounts."""
