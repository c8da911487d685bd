"""A mailbox for everybody: takes every mail over SMTP, keeps it, and shows it on a page and as JSON."""
