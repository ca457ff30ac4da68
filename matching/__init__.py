"""The matching machine: commands in, events out; integers and arrays only."""
