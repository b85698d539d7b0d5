"""Salesforce as a broker."""
