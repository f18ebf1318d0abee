# Two stages: the second has the packages, but neither pip's cache nor a build tool.
ARG PYTHON_IMAGE=python:3.13-slim

FROM ${PYTHON_IMAGE} AS build
WORKDIR /src
COPY .ci/requirements.txt .ci/requirements.txt
COPY pyproject.toml README.md LICENSE ./
COPY canary_operator canary_operator
# The locked versions constrain what the operator itself needs; tests and demo stay out.
RUN python -m venv /opt/canary-operator \
 && sed -e 's/ \\$//' -e '/^ *--hash/d' .ci/requirements.txt > /tmp/constraints.txt \
 && /opt/canary-operator/bin/pip install --no-cache-dir --constraint /tmp/constraints.txt . \
 && /opt/canary-operator/bin/pip uninstall --yes pip

FROM ${PYTHON_IMAGE}
COPY --from=build /opt/canary-operator /opt/canary-operator
ENV PATH=/opt/canary-operator/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 65532:65532
ENTRYPOINT ["canary-operator"]
CMD ["run"]
