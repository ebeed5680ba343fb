"""The door that the API server knocks at when a pod is created.

Belongs here: AdmissionReview in, AdmissionReview out, time and size limits, and the promise that the answer is always
`allowed: true`: a pod is never refused because of us.
Never here: deciding (tekton), gathering (controlplane), Kubernetes clients, certificates.
Who imports it: processes. What it imports: controlplane, tekton, errors, starlette.
"""
