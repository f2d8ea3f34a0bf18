# Two images: `docker build --target api .` holds no torch; `--target worker` holds the engine. Both run as uid 10001.
# Packages come from the index that the build machine is set up for, and only with the hashes of requirements/.
# The stages of `api` come first: a builder that makes all stages before its target does not install torch for it.
ARG PYTHON_IMAGE=python:3.13.15-slim-bookworm@sha256:2325bb286ec344af3e5898cc224b5844e2707ac6e26b1632516fd3edc84a5e26

FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /build
COPY requirements/build.txt requirements/
RUN python -m venv /opt/build && /opt/build/bin/pip install --no-cache-dir --require-hashes -r requirements/build.txt
COPY pyproject.toml README.md ./
COPY api api
COPY core core
COPY migrations migrations
COPY store store
COPY web web
COPY worker worker
RUN /opt/build/bin/python -m hatchling build --target wheel

FROM ${PYTHON_IMAGE} AS api-packages
COPY requirements/api.txt /tmp/requirements.txt
RUN python -m venv /opt/retort && /opt/retort/bin/pip install --no-cache-dir --require-hashes -r /tmp/requirements.txt
COPY --from=build /build/dist /tmp/dist
RUN /opt/retort/bin/pip install --no-cache-dir --no-deps --no-index /tmp/dist/*.whl

FROM ${PYTHON_IMAGE} AS runtime
RUN groupadd --gid 10001 retort && useradd --uid 10001 --gid 10001 --home-dir /data --no-create-home --shell /usr/sbin/nologin retort \
    && mkdir /data && chown 10001:10001 /data
ENV PATH=/opt/retort/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 RETORT_DATA_DIR=/data
WORKDIR /data
VOLUME /data
USER 10001:10001
STOPSIGNAL SIGTERM

FROM runtime AS api
COPY --from=api-packages /opt/retort /opt/retort
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/readyz', timeout=2)"]
CMD ["python", "-m", "api", "--host", "0.0.0.0", "--port", "8000"]

FROM ${PYTHON_IMAGE} AS worker-packages
COPY requirements/worker.txt /tmp/requirements.txt
RUN python -m venv /opt/retort && /opt/retort/bin/pip install --no-cache-dir --require-hashes -r /tmp/requirements.txt
COPY --from=build /build/dist /tmp/dist
RUN /opt/retort/bin/pip install --no-cache-dir --no-deps --no-index /tmp/dist/*.whl

FROM runtime AS worker
# For what is compiled where it runs: the engine's kernels on a CPU, torch.compile on a GPU.
USER root
RUN apt-get update && apt-get install -y --no-install-recommends g++ && rm -rf /var/lib/apt/lists/*
USER 10001:10001
COPY --from=worker-packages /opt/retort /opt/retort
CMD ["python", "-m", "worker"]
