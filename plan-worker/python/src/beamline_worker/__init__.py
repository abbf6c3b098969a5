"""What runs the plans of a beamline on bluesky's RunEngine.

::

    queue server <-> link (rejoin) <-> session -> engine -> RunEngine of the profile
                                                    |-> documents (files, queue server)

The main thread opens the profile and runs plans; a second one talks to the queue server.
"""
