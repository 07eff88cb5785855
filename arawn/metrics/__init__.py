"""What the daemon tells Prometheus: counts of calls, and the text that shows them beside the state of everything."""
