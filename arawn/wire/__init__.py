"""HTTP and server-sent events on trio."""
