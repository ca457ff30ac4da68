"""Reports: account statements, invoices, explanations, day summaries, exports."""
