"""What Client, Server and Connection are made of."""
