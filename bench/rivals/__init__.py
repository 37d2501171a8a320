"""What ingestion is compared with: programs that run in environments of their own.

They share their arguments and their one line of JSON; see ``bench.ingest``.
"""
