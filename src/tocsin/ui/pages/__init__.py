"""One module for each page: asks the API, shapes what is shown, renders."""
