from tests.support.clusters import cluster, control_plane, pod_runtime

__all__ = ["cluster", "control_plane", "pod_runtime"]
