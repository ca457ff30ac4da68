"""What people and programs read: statements, invoices, explanations, exports."""
