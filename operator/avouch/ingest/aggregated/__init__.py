"""The runs API: WorkflowRuns and ContractRevisions for kubectl, behind the cluster's front proxy (mTLS, port 8444).

Belongs here: discovery, content negotiation, selectors, pages and watches, tickets.

Never here: SQL (store), who may see a run (Kubernetes RBAC, asked by the API server).
"""
