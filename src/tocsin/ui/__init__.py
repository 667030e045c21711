"""The web interface: pages made on the server, as a client of the API in the same process."""
