"""The ways from a client to the service: straight to ledger, queue and store, or to a gateway by HTTP."""
