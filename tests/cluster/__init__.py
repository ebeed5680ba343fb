"""A real Kubernetes for tests and demos, on a machine that has neither a container engine nor an image registry.

Two sizes. `apiserver.ApiServer` is etcd and kube-apiserver: three seconds, no root, for everything that is decided by
the API (CRDs, CEL, RBAC, admission, watches). `cluster.Cluster` is a whole node with containerd, kubelet and Tekton,
for everything that is decided by running pods.

Every program is compiled from its Go module at a pinned version (`tools/`) and runs as a plain process. A whole cluster
lives in a network namespace of its own: it can use the well-known ports, kube-proxy's tables are its own, two clusters
never meet, and deleting the namespace deletes the network.
"""
