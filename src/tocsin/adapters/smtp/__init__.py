"""Mail by SMTP: the sender for endpoints whose URL is mailto."""
