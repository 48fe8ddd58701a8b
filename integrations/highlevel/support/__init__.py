"""Where HighLevel helps with what: its channels, what each refusal asks for, and what its plans are said to allow."""
