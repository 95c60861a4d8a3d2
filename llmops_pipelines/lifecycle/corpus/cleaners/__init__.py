"""What is done to a text before it is used: normal form, boilerplate, language, quality, personal data."""
