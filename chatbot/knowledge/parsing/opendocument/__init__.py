"""OpenDocument (ODF 1.2 and 1.3): the packages of LibreOffice, Google Docs, Calligra and Pandoc."""
