"""Policies: read from the operator's file, asked about requests and results, and their decisions recorded."""
