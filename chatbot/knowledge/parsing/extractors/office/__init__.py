"""Word processors, spreadsheets and presentations."""
