"""The rest of the world, for notify: letters in words, mails in bytes, and the mail server."""
