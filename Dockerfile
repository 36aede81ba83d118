# One image for the worker, the API and the migration; which one it is, the command says:
#   python -m worker | python -m admin_api | alembic upgrade head
# It runs as a user without rights and writes to /app/data alone (SQLite); docker-compose.yml makes the rest read-only.
ARG PYTHON_IMAGE=python:3.13-slim

FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
RUN python3 -m venv --without-pip /opt/venv
COPY requirements.lock ./
RUN pip --python /opt/venv/bin/python install --require-hashes -r requirements.lock

FROM ${PYTHON_IMAGE}
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONPATH=/app \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
RUN groupadd --gid 10001 contacts \
 && useradd --uid 10001 --gid contacts --home-dir /app --no-create-home --shell /usr/sbin/nologin contacts \
 && install --directory --owner contacts --group contacts --mode 700 /app/data \
 && install --directory --owner contacts --group contacts /definitions
WORKDIR /app
COPY --from=build /opt/venv /opt/venv
COPY alembic.ini ./
COPY migrations ./migrations
COPY distribution ./distribution
COPY serving ./serving
COPY worker ./worker
COPY admin_api ./admin_api
COPY deploy ./deploy
USER contacts
CMD ["python", "-m", "worker"]
