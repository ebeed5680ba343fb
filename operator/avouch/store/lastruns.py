"""The newest judged run of each Workflow, without reading the others.

PostgreSQL has no skip scan of its own: each turn of the recursion is one look into the index `runs_by_age`, so the cost
follows the number of Workflows, not of runs.
"""

# Backwards through (workflow_uid, judged_at): the first entry below a Workflow is the newest one of the next Workflow.
NEWEST = (
    "WITH RECURSIVE newest AS ("
    " (SELECT id, workflow_uid, namespace, namespace_uid, workflow, judged_version FROM runs"
    "  WHERE judged_at IS NOT NULL ORDER BY workflow_uid DESC, judged_at DESC LIMIT 1)"
    " UNION ALL SELECT next.* FROM newest CROSS JOIN LATERAL ("
    "  SELECT id, workflow_uid, namespace, namespace_uid, workflow, judged_version FROM runs"
    "  WHERE workflow_uid < newest.workflow_uid AND judged_at IS NOT NULL"
    "  ORDER BY workflow_uid DESC, judged_at DESC LIMIT 1) next)"
)
