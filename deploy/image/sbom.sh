#!/bin/sh
# Writes what the image contains beside its base, as CycloneDX JSON: `sbom.sh FILE`.
#
# The packages are installed from the image's own locks into a throwaway environment, and the
# generator into another one, so that neither appears in the list of the other. Run it with the
# Python of the image (PYTHON=python3.13) to get exactly its wheels.
set -eu
out=$(realpath -m "$1")
cd "$(dirname "$0")/../.."
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

install() {  # install ENVIRONMENT REQUIREMENTS...
  pip --python "$work/$1/bin/python" install --quiet --disable-pip-version-check --no-deps \
    --only-binary :all: --require-hashes -r "$2"
}

pip() {
  "$work/build/bin/python" -m pip "$@"
}

"$PYTHON" -m venv "$work/build"
"$PYTHON" -m venv --without-pip "$work/image"
"$PYTHON" -m venv --without-pip "$work/generator"
install build deploy/image/build.txt
install image deploy/image/requirements.txt
install generator deploy/image/sbom.txt
cp -r pyproject.toml README.md LICENSE canary_operator "$work/build/"
pip wheel --quiet --no-build-isolation --no-deps --no-index --wheel-dir "$work/wheel" "$work/build"
pip --python "$work/image/bin/python" install --quiet --no-deps --no-index "$work"/wheel/*.whl

mkdir -p "$(dirname "$out")"
"$work/generator/bin/cyclonedx-py" environment --pyproject pyproject.toml --mc-type application \
  --output-reproducible --output-format JSON --output-file "$out" --validate \
  "$work/image/bin/python"
