"""Evolution for one objective: regularised (aging) evolution and tournament evolution."""
