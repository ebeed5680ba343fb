"""What each process may do in the cluster: one literal table that the chart renders and tests compare.

`namespace` rules hold in the install's own namespace (a Role), the others everywhere (a ClusterRole).
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rule:
    """One RBAC rule. `names` limits it to objects of these names, but never for create.

    A list or watch is then allowed only if it asks for one of the names (`metadata.name` of a field selector).
    """

    group: str
    resources: tuple[str, ...]
    verbs: tuple[str, ...]
    names: tuple[str, ...] = ()

    def to_json(self) -> dict[str, list[str]]:
        """As a Role holds it."""
        limited = {"resourceNames": list(self.names)} if self.names else {}
        return {"apiGroups": [self.group], "resources": list(self.resources), "verbs": list(self.verbs), **limited}


@dataclass(frozen=True, slots=True)
class Permissions:
    """The rules of one process, everywhere and in its own namespace; `kube_system` in that namespace."""

    cluster: tuple[Rule, ...] = ()
    namespace: tuple[Rule, ...] = ()
    kube_system: tuple[Rule, ...] = ()
    token_secrets: tuple[Rule, ...] = ()  # everywhere, unless the chart's apiTokens.enabled is false
    dry_runs: tuple[Rule, ...] = ()  # everywhere, if the chart's admission.dryRun is true


_CHAINLOOPS = ("contracts", "policies", "policygroups")
_OURS = (
    *("organizations", "workflows", "integrations", "integrationattachments", "apitokens", "casbackends"),
    "policyexceptions",
)
_WATCH = ("list", "watch")
_SECRETS = ("avouch-ca", "avouch-server-tls", "avouch-signing-keys")

CONTROLLER = Permissions(
    cluster=(
        Rule("chainloop.dev", _CHAINLOOPS, _WATCH),
        Rule("chainloop.dev", ("contracts",), ("create",)),  # the default one of a Workflow
        Rule("chainloop.dev", tuple(f"{kind}/status" for kind in _CHAINLOOPS), ("patch",)),
        Rule("avouch.dev", _OURS, _WATCH),
        Rule("avouch.dev", tuple(f"{kind}/status" for kind in _OURS), ("patch",)),
        Rule("tekton.dev", ("pipelineruns", "taskruns"), ("get", *_WATCH)),
        Rule("tekton.dev", ("pipelines", "tasks"), _WATCH),  # whether what a Workflow names exists
        Rule("", ("pods",), ("get", *_WATCH, "patch")),  # patch: our own container's image when it cannot be pulled
        Rule("", ("namespaces",), _WATCH),
        Rule("", ("configmaps",), _WATCH, ("avouch-policies",)),  # what file:// in Contracts and Policies names
        Rule("", ("resourcequotas", "limitranges"), ("list",)),  # where they keep the sidecar out, an Event says so
        Rule("events.k8s.io", ("events",), ("create", "patch")),
        Rule("apiregistration.k8s.io", ("apiservices",), ("get", "patch", "delete"), ("v1alpha1.runs.avouch.dev",)),
        Rule("apiregistration.k8s.io", ("apiservices",), ("create",)),  # create by apply is not limited by name
        Rule("admissionregistration.k8s.io", ("mutatingwebhookconfigurations",), ("get", "patch"), ("avouch-pods",)),
        Rule("admissionregistration.k8s.io", ("mutatingwebhookconfigurations",), ("create",)),
    ),
    namespace=(
        Rule("coordination.k8s.io", ("leases",), ("get", "update"), ("avouch-controller",)),
        Rule("coordination.k8s.io", ("leases",), ("create",)),
        Rule("", ("secrets",), ("get", "update"), _SECRETS),
        Rule("", ("secrets",), ("create",)),
        Rule("", ("configmaps",), ("get", "patch"), ("avouch-server", "avouch-trust")),
        Rule("", ("configmaps",), ("create",)),
        Rule("discovery.k8s.io", ("endpointslices",), ("list",)),
    ),
    # Neither get nor list nor watch; and an admission policy refuses any but Secrets of type avouch.dev/token, because
    # the answer to a patch shows the whole object.
    token_secrets=(Rule("", ("secrets",), ("create", "patch")),),
)

SERVER = Permissions(
    cluster=(
        Rule("authentication.k8s.io", ("tokenreviews",), ("create",)),
        Rule("", ("pods", "namespaces"), ("get",)),
        Rule("", ("persistentvolumeclaims",), ("get",)),  # admission looks at a claim before it mounts it
        Rule("", ("resourcequotas", "limitranges"), ("list",)),  # admission looks at them before it injects
        Rule("tekton.dev", ("taskruns", "pipelineruns"), ("get",)),
        Rule("events.k8s.io", ("events",), ("create", "patch")),  # why a pod got no sidecar
    ),
    kube_system=(Rule("", ("configmaps",), ("get",), ("extension-apiserver-authentication",)),),
    # RBAC knows no dry runs: an admission policy refuses every creation of this account that is none.
    dry_runs=(Rule("", ("pods",), ("create",)),),
)

# It reads the HMAC keys of Integrations when it delivers: those that a Role names, as the chart's integrations.secrets
# makes them. All else that it needs is in the database.
WORKER = Permissions()

PERMISSIONS = {"controller": CONTROLLER, "server": SERVER, "worker": WORKER}
