"""What is read off the graph of a release: the release as a whole, what saw one document, what became of one question."""
