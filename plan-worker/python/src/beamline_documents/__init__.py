"""Publishes the documents that runs leave on disk: to a 0MQ proxy, to Kafka and to Tiled.

The files of the runs are what counts. This follows them, of whatever engine they are, and remembers
for each target how far it came: what cannot be published now is published later.
"""
