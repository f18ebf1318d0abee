"""The pictures of the tutorial, from real runs of its examples with real Envoy.

    python -m benchmarks.tutorial_pictures --output docs/images

Each example is applied as it stands, so it takes as long as for the reader: some three minutes.
"""
