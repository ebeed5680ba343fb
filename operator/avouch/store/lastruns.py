"""The newest judged run of each Workflow, without reading the others.

PostgreSQL has no skip scan of its own: each turn of the recursion is one look into the index `runs_by_age`, so the cost
follows the number of Workflows, not of runs.
"""

# Runs that one COMMIT judged share their time and their version: the last of them is the one of the highest id, whoever
# asks. Backwards through (workflow_uid, judged_at): the first entry below a Workflow is the newest one of the next.
NEWEST = (
    "WITH RECURSIVE newest AS ("
    " (SELECT id, workflow_uid, namespace, namespace_uid, workflow, judged_at, judged_version FROM runs"
    "  WHERE judged_at IS NOT NULL ORDER BY workflow_uid DESC, judged_at DESC, judged_version DESC, id DESC LIMIT 1)"
    " UNION ALL SELECT next.* FROM newest CROSS JOIN LATERAL ("
    "  SELECT id, workflow_uid, namespace, namespace_uid, workflow, judged_at, judged_version FROM runs"
    "  WHERE workflow_uid < newest.workflow_uid AND judged_at IS NOT NULL"
    "  ORDER BY workflow_uid DESC, judged_at DESC, judged_version DESC, id DESC LIMIT 1) next)"
)
