"""The runs API for kubectl, behind the cluster's front proxy (mTLS, port 8444): `discovery` lists what it serves.

WorkflowRuns, ContractRevisions, RunDeletions and TrustRoots are read; PolicyReviews and download tickets are created.

Belongs here: discovery, content negotiation, selectors, pages and watches, tickets, policies that users try.

Never here: SQL (store), who may see a run (Kubernetes RBAC, asked by the API server).
"""
