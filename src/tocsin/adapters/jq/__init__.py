"""Programs of the template format, evaluated by jq in processes that can be killed."""
