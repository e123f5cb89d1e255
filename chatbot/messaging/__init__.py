"""What Celery is made of: brokers, the worker's consumer, the scheduler."""
