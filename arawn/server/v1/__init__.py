"""`/v1`: the dialects that other programs' clients speak, in front of any backend."""
