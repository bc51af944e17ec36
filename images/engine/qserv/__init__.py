"""The catalog engine: czar, workers, replication controller and the command line ``qserv``.

Packages, each importing only from the ones below it::

    cli                                   the command line and the local cluster
    czar | worker | replication | ingest  the processes, and what reads catalogs into them
    sql | storage | sky                   planning, files, the partitioned sphere
    catalog                               facts all of them share: model, errors, settings, messages, metadata
"""
