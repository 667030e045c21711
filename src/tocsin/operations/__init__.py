"""What people do; shared by the API and the command line."""
