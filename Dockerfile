# One image for release, web, worker and beat; the command decides which it is.
FROM python:3.11-slim

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 UV_NO_CACHE=1
WORKDIR /app

# The requirements first, so that a change of the code does not install everything again; installed as install.py does.
COPY requirements-uv.txt requirements.txt requirements-embedder.txt ./
RUN pip install --no-deps --require-hashes -r requirements-uv.txt && \
    uv pip install --system --compile-bytecode --no-deps --require-hashes -r requirements.txt -r requirements-embedder.txt

COPY . .
RUN useradd --create-home chatbot && mkdir -p instance && chown chatbot instance
USER chatbot

EXPOSE 8000
CMD ["gunicorn", "--config", "gunicorn.conf.py", "wsgi:app"]
