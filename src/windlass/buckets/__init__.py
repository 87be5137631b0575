"""Buckets: objects in Amazon S3 and Google Cloud Storage, by URL. Knows nothing of tasks."""
