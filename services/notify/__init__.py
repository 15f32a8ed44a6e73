"""Notify owns addresses, preferences, and the messages that tell people what happened to a record.

It hears everybody and is heard by nobody: it says which messages were sent and which were given up. It keeps no word of
a message, only which template was meant for whom about what; the words are made at the moment of sending, with names
opened from ciphertext, and then they are gone. Recipients of transcripts get no mail here: they have webhooks.
"""
