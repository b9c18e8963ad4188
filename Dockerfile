# qdrantctl in a small image: no root, no shell needed, works with --read-only.
#
#   docker build -t qdrantctl .
#   docker run --rm --read-only --network host -v "$PWD:/work:ro" -e QDRANT_API_KEY qdrantctl plan
#
# Pin the base image by digest where builds have to be the same for ever.
FROM python:3.13-slim AS build
WORKDIR /src
COPY qdrantctl/adapters/artifacts/templates/locks /locks
RUN python -m venv /opt/qdrantctl \
    && /opt/qdrantctl/bin/pip install --no-cache-dir --require-hashes --only-binary :all: \
        --requirement /locks/requirements.txt \
    && python -m venv /opt/build \
    && /opt/build/bin/pip install --no-cache-dir --require-hashes --only-binary :all: \
        --requirement /locks/build.txt
COPY pyproject.toml README.md LICENSE ./
COPY qdrantctl ./qdrantctl
RUN /opt/build/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheel . \
    && /opt/qdrantctl/bin/pip install --no-cache-dir --no-deps /wheel/*.whl \
    && /opt/qdrantctl/bin/pip uninstall --yes pip

FROM python:3.13-slim
# git tells which commit a plan comes from, which protected environments require.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/qdrantctl /opt/qdrantctl
# The mounted project belongs to another user; git reads it nevertheless.
ENV PATH=/opt/qdrantctl/bin:$PATH \
    HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    GIT_CONFIG_COUNT=1 \
    GIT_CONFIG_KEY_0=safe.directory \
    GIT_CONFIG_VALUE_0=/work
WORKDIR /work
USER 65532:65532
ENTRYPOINT ["qdrantctl"]
CMD ["--help"]
