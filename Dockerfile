# syntax=docker/dockerfile:1
# One image, several roles by command:
#   python -m main [--side commands|queries]   the HTTP side (default: both)
#   python -m jobs.worker                      charges, retries, the janitor, reconciliation, mails
#   python -m jobs.projector                   carries changes into Elasticsearch and Redis
#   python -m admin                            the admin panel
#   billing migrate                            brings the schema up to date, and ends

FROM python:3.11-slim-bookworm AS packages
# A folder of its own, copied whole into the image below: pip and its cache stay behind.
RUN python -m venv /venv
COPY requirements.prod.lock .
# Only what the lock names, only with its hashes. Nothing may run a set-up script while being installed but yookassa,
# which is published as source alone.
RUN /venv/bin/pip install --no-cache-dir --disable-pip-version-check \
        --require-hashes --no-deps --only-binary=:all: --no-binary=yookassa -r requirements.prod.lock \
    && /venv/bin/pip uninstall --yes --quiet pip setuptools

FROM python:3.11-slim-bookworm
RUN groupadd --system --gid 10001 billing \
    && useradd --system --uid 10001 --gid billing --no-create-home --shell /usr/sbin/nologin billing \
    && printf '#!/bin/sh\nexec python -m cli "$@"\n' > /usr/local/bin/billing \
    && chmod 0755 /usr/local/bin/billing
COPY --from=packages /venv /venv
WORKDIR /app
COPY . .
# Compiled here, since the service itself may not write: it would compile at each start.
RUN /venv/bin/python -m compileall -q /app
ENV PATH=/venv/bin:$PATH \
    PYTHONPATH=/app \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    BILLING_ENVIRONMENT=production \
    BILLING_HOST=0.0.0.0 \
    BILLING_PORT=8000 \
    BILLING_HOME_DIR=/tmp/billing
USER 10001:10001
EXPOSE 8000
# Of the HTTP side; worker and projector have their own in docker-compose.yml.
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import http.client, os; c = http.client.HTTPConnection('127.0.0.1', int(os.environ['BILLING_PORT']), timeout=4); c.request('GET', '/healthz'); raise SystemExit(c.getresponse().status != 200)"]
CMD ["python", "-m", "main"]
