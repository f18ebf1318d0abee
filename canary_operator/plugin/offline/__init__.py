"""What needs no cluster: manifests are read, judged, timed and played."""
