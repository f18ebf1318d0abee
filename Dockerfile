# The image of the operator. Everything that goes into it is pinned: the base image by its digest,
# the packages by hashes. `make image` builds it; CONTRIBUTING.md says how to take newer versions.
#
# The tag is for people: an engine that sees a digest pulls exactly that, or nothing.
ARG PYTHON_IMAGE=docker.io/library/python:3.13.16-slim-trixie@sha256:bf44cdfcb76cd3b41e879bc058fc37ec5872002ccfde7fcb765e218cde0cd79c

FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore \
    PYTHONDONTWRITEBYTECODE=1
WORKDIR /src
# The environment never has a pip of its own: the base image's fills it from outside.
RUN python -m venv --without-pip /opt/canary-operator
COPY deploy/image/requirements.txt deploy/image/build.txt deploy/image/
RUN pip --python /opt/canary-operator/bin/python install --no-compile --no-deps \
      --only-binary :all: --require-hashes -r deploy/image/requirements.txt \
 && pip install --no-deps --only-binary :all: --require-hashes -r deploy/image/build.txt
COPY pyproject.toml README.md LICENSE ./
COPY canary_operator canary_operator
# The same sources give the same bytes: no build time in the wheel, none in the bytecode, one time
# for all files. The bytecode is never compared with its source, which nobody can change.
ARG SOURCE_DATE_EPOCH=315532800
RUN pip wheel --no-build-isolation --no-deps --no-index --wheel-dir /wheel . \
 && pip --python /opt/canary-operator/bin/python install --no-compile --no-deps --no-index /wheel/*.whl \
 && PYTHONHASHSEED=0 /opt/canary-operator/bin/python -m compileall -q -f \
      --invalidation-mode unchecked-hash /opt/canary-operator/lib \
 && find /opt/canary-operator -exec touch --no-dereference --date "@$SOURCE_DATE_EPOCH" {} +

FROM ${PYTHON_IMAGE}
# Whoever gets into the container finds no installer.
RUN rm -r "$(python -c 'import ensurepip; print(*ensurepip.__path__)')" \
 && pip uninstall --root-user-action=ignore --yes pip
COPY --from=build /opt/canary-operator /opt/canary-operator
ARG VERSION=0.1.0
ARG REVISION=
ARG SOURCE=
LABEL org.opencontainers.image.title="canary-operator" \
      org.opencontainers.image.description="A Kubernetes operator that releases a new version of a service a little at a time." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.source="$SOURCE"
ENV PATH=/opt/canary-operator/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 65532:65532
STOPSIGNAL SIGTERM
ENTRYPOINT ["canary-operator"]
CMD ["run"]
