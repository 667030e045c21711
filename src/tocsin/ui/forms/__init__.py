"""Between the fields of an HTML form and the JSON documents of the API. Pure, save `typed`, which seals secrets."""
