"""Ways from a client to the service: directly to ledger, queue and store, or to a gateway by HTTP."""
