"""The machine: rules, kernel against reference, snapshots."""
