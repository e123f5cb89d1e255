"""What servers start from: `gunicorn wsgi:app`, `celery -A wsgi:celery_app worker`. `flask` has chatbot/cli.py."""

from __future__ import annotations

from chatbot.app import create_app
from chatbot.current import services
from chatbot.system import private_files

private_files.umask()
app = create_app()
celery_app = services(app).celery
