"""The pages for people: a client of the API in the same process."""
