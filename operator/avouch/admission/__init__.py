"""The admission webhook that the API server calls when a pod is created.

Belongs here: AdmissionReview in, AdmissionReview out, time and size limits, and the promise that the answer is always
`allowed: true`: a pod is never refused because of avouch.
Never here: deciding (tekton), gathering (controlplane), Kubernetes clients, certificates.
Who imports it: processes. What it imports: controlplane, tekton, errors, starlette.
"""
