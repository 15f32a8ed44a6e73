"""The five services and their shared chassis. They are strangers to one another: all that passes is events on Kafka."""
