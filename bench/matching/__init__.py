"""The matching engine: commands a second beside a copying kernel, latency, start-up and memory."""
