"""The resources that avouch uses, one literal table: path, kind and scope of each."""

from dataclasses import dataclass
from urllib.parse import quote


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource of the Kubernetes API."""

    group: str  # "" = core
    version: str
    plural: str
    kind: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """`apiVersion` of its objects."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """URL path of a collection, an object or a subresource; no namespace means all of them."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        middle = f"/namespaces/{quote(namespace, safe='')}" if self.namespaced and namespace else ""
        tail = "".join(f"/{quote(part, safe='')}" for part in (name, subresource) if part)
        return f"{root}{middle}/{self.plural}{tail}"


CONTRACTS = Resource("chainloop.dev", "v1", "contracts", "Contract")
ORGANIZATIONS = Resource("avouch.dev", "v1alpha1", "organizations", "Organization", namespaced=False)
WORKFLOWS = Resource("avouch.dev", "v1alpha1", "workflows", "Workflow")
INTEGRATIONS = Resource("avouch.dev", "v1alpha1", "integrations", "Integration")
ATTACHMENTS = Resource("avouch.dev", "v1alpha1", "integrationattachments", "IntegrationAttachment")
API_TOKENS = Resource("avouch.dev", "v1alpha1", "apitokens", "APIToken")
CAS_BACKENDS = Resource("avouch.dev", "v1alpha1", "casbackends", "CASBackend")
POLICIES = Resource("chainloop.dev", "v1", "policies", "Policy")
POLICY_GROUPS = Resource("chainloop.dev", "v1", "policygroups", "PolicyGroup")
POLICY_EXCEPTIONS = Resource("avouch.dev", "v1alpha1", "policyexceptions", "PolicyException")
OURS = (
    *(CONTRACTS, POLICIES, POLICY_GROUPS, ORGANIZATIONS, WORKFLOWS, INTEGRATIONS, ATTACHMENTS),
    *(API_TOKENS, CAS_BACKENDS, POLICY_EXCEPTIONS),
)

WORKFLOWRUNS = Resource("runs.avouch.dev", "v1alpha1", "workflowruns", "WorkflowRun")
PIPELINERUNS = Resource("tekton.dev", "v1", "pipelineruns", "PipelineRun")
TASKRUNS = Resource("tekton.dev", "v1", "taskruns", "TaskRun")
PIPELINES = Resource("tekton.dev", "v1", "pipelines", "Pipeline")
TASKS = Resource("tekton.dev", "v1", "tasks", "Task")
PODS = Resource("", "v1", "pods", "Pod")
NAMESPACES = Resource("", "v1", "namespaces", "Namespace", namespaced=False)
SECRETS = Resource("", "v1", "secrets", "Secret")
EVENTS = Resource("events.k8s.io", "v1", "events", "Event")
LEASES = Resource("coordination.k8s.io", "v1", "leases", "Lease")
ENDPOINT_SLICES = Resource("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice")
API_SERVICES = Resource("apiregistration.k8s.io", "v1", "apiservices", "APIService", namespaced=False)
MUTATING_WEBHOOKS = Resource(
    "admissionregistration.k8s.io",
    "v1",
    "mutatingwebhookconfigurations",
    "MutatingWebhookConfiguration",
    namespaced=False,
)
RESOURCE_QUOTAS = Resource("", "v1", "resourcequotas", "ResourceQuota")
LIMIT_RANGES = Resource("", "v1", "limitranges", "LimitRange")
CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap")
