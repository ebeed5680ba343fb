"""Findings: the class, and the one table of codes with the verdict that each one causes.

Standard library only. `docs/reference/findings.md` is generated from the table.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple, Self

from avouch import errors
from avouch.values import dataclass

_OF_A_CODE = 200  # findings of one verdict
_TOLD = 10  # names in a message


class Effect(StrEnum):
    """The verdict that a finding causes, the strongest first; `NOTHING` is a note that changes no verdict."""

    CANCELED = "Canceled"
    EXPIRED = "Expired"
    REJECTED = "Rejected"
    ERROR = "Error"
    UNOBSERVED = "Unobserved"
    FAILED = "Failed"
    NOTHING = ""


class Code(NamedTuple):
    """Definition of a code."""

    effect: Effect
    meaning: str
    remedy: str  # in general; `fix` of each finding is specific
    alone: bool = False  # what the run lacks follows from it, and is not told
    contract: bool = False  # another revision of the contract, its policies or an exception may find otherwise


CODES: dict[str, Code] = {
    # The contract is not satisfied
    "MaterialMissing": Code(
        Effect.FAILED,
        "A required material was not delivered.",
        "Let the task that the Workflow names write it, or add it with `avouch attestation add`.",
        contract=True,
    ),
    "GroupUnsatisfied": Code(
        Effect.FAILED,
        "No material of a group was delivered, and the contract requires at least one.",
        "Deliver one material of the group.",
        contract=True,
    ),
    "AnnotationMissing": Code(
        Effect.FAILED,
        "An annotation that is empty in the contract has no value.",
        "Set its source in `spec.tekton.annotations` of the Workflow, or pass `--annotation NAME=VALUE`.",
        contract=True,
    ),
    "EnvironmentMissing": Code(
        Effect.FAILED,
        "A variable of `spec.envAllowList` has no value.",
        "Set a param of the run or a literal variable of a step; outside Tekton set it before `attestation init`.",
        contract=True,
    ),
    "RunnerMismatch": Code(
        Effect.FAILED,
        "The contract requires a type of CI system, and nothing proves that the attestation was made in it.",
        "Prove it as [runners](runners.md) says for the type, with an OIDC token of the CI, or remove `spec.runner`.",
        contract=True,
    ),
    "PolicyViolated": Code(
        Effect.FAILED,
        "A policy with a gate found a violation.",
        "Correct what the policy tells of.",
        contract=True,
    ),
    # Evidence that cannot be used
    "MaterialTypeMismatch": Code(
        Effect.FAILED,
        "A material is not of the type that the contract requires, or its content does not match its type.",
        "Write the file in the format of the type; `avouch material inspect FILE` shows its type.",
        contract=True,
    ),
    "MaterialTooLarge": Code(
        Effect.FAILED,
        "A material is larger than its type allows, or takes more time or memory to read than a reader has.",
        "Deliver a smaller report, or several; `avouch material inspect FILE` reads it as the worker does.",
    ),
    "MaterialAmbiguous": Code(
        Effect.FAILED,
        "Several tasks have different values of one material, or one image matches two materials.",
        "Name the task and the result of each material in `spec.tekton.materials` of the Workflow.",
    ),
    "MaterialNotUploaded": Code(
        Effect.FAILED,
        "A material was claimed by its digest, but its content is not in the artifact store.",
        "Upload the file before the claim is pushed; the sidecar and `avouch attestation add` use this order.",
    ),
    "ImageReferenceMissing": Code(
        Effect.FAILED,
        "A task result has the digest of an image, but not its repository.",
        "Write the repository into the result, too: `IMAGE_URL` beside `IMAGE_DIGEST`.",
    ),
    "ImageReferenceInvalid": Code(
        Effect.FAILED,
        "A task names an image by a text that is no image reference, or names several where one is meant.",
        "Write `<repository>[:<tag>]@sha256:<digest>` without a scheme; separate several by commas or line ends.",
    ),
    "ImageDigestAmbiguous": Code(
        Effect.FAILED,
        "One task names two digests for one image: in the reference and in the result beside it.",
        "Leave the digest out of `IMAGE_URL`, or write the same one into `IMAGE_DIGEST`.",
    ),
    "ImageDigestMissing": Code(
        Effect.FAILED,
        "A task result names an image without a valid sha256 digest.",
        "Write `sha256:` and 64 lower-case hexadecimal characters into the result.",
    ),
    "EvidenceRefused": Code(
        Effect.FAILED,
        "The sidecar refused the file of a required material, or its workspace, or the server refused it; or a step of "
        "the same pod delivered what the sidecar refused of an optional one.",
        "The finding has the fix of its cause, which is one of [these](#causes).",
    ),
    "SidecarMissing": Code(
        Effect.FAILED,
        "A sidecar was injected, but it did not push its claim.",
        "Read the log of container `avouch-sidecar` and the server's log, then run the pipeline again.",
    ),
    "RunFailed": Code(
        Effect.FAILED,
        "The PipelineRun, TaskRun or CI job failed. The finding names the TaskRuns that failed, with Tekton's reason.",
        "Fix the build: a failed run never passes.",
    ),
    "RunTimedOut": Code(
        Effect.FAILED,
        "The time of the PipelineRun or TaskRun was over before its end. What it lacks because of that is not told.",
        "Give it more time (`spec.timeouts` of a PipelineRun, `spec.timeout` of a TaskRun), or make it faster.",
        alone=True,
    ),
    # Evidence that contradicts
    "MaterialContradicted": Code(
        Effect.REJECTED,
        "Two pods, or a pod and the TaskRun's status, name different digests or values of one material.",
        "Compare both with the registry and remove the step that reports the wrong one.",
    ),
    "AnnotationContradicted": Code(
        Effect.REJECTED,
        "Two sources give one annotation different values, or an attestation changes a value that the contract fixes.",
        "Set the annotation in one place, and do not change values that the contract fixes.",
    ),
    "RunnerContradicted": Code(
        Effect.REJECTED,
        "The attestation names another runner than the one that opened the run, or than the one in the runner's token.",
        "Open and push a run in the same CI job.",
    ),
    "ClaimOfAnotherRun": Code(
        Effect.REJECTED,
        "A claim was signed for another run, Workflow or contract revision.",
        "Find the step that pushed it; a claim is valid for one run only.",
    ),
    "ClaimOfUnknownTaskRun": Code(
        Effect.REJECTED,
        "A claim names a TaskRun that is not part of the PipelineRun.",
        "Find the pod that pushed it; only pods of the run's own TaskRuns may attest.",
    ),
    "ClaimOfForeignPod": Code(
        Effect.REJECTED,
        "A claim came from a pod that names a TaskRun of the run as its owner, but that the TaskRun does not name.",
        "Find who created the pod: only the pods that Tekton made for a TaskRun may attest.",
    ),
    "TaskRunContradictsPipeline": Code(
        Effect.REJECTED,
        "The PipelineRun lists a TaskRun that its Pipeline does not have: of another task, one too many without a "
        "matrix, or with another taskRef, other steps or other params.",
        "Find who created the TaskRun: Tekton adopts one that carries the labels of a PipelineRun.",
    ),
    # Nobody saw all of it
    "RunNotDone": Code(
        Effect.UNOBSERVED,
        "The PipelineRun or TaskRun was deleted before it was Done, or before avouch saw that, so nothing could be "
        "checked.",
        "Run the pipeline again, and delete runs only after they have their verdict.",
    ),
    "RecordNotWhole": Code(
        Effect.UNOBSERVED,
        "A TaskRun of the PipelineRun was deleted, or taken from it (`--cascade=orphan`), before the run was recorded, "
        "so not everything could be checked.",
        "Run the pipeline again, and delete TaskRuns only with their PipelineRun, after it has its verdict.",
    ),
    "EvidenceLost": Code(
        Effect.UNOBSERVED,
        "Required evidence is missing, and may have been delivered: the database was emptied or put back to an earlier "
        "state while the run worked.",
        "Run the pipeline again.",
    ),
    # No judgement
    "ClaimNotVerified": Code(
        Effect.ERROR,
        "The signature, certificate or identity of a stored claim can no longer be verified.",
        "Restore the trust root that was in use when the claim arrived, or run the pipeline again.",
    ),
    "PolicyNotEvaluated": Code(
        Effect.ERROR,
        "A policy with a gate could not be evaluated: its script fails, has no result or takes too much, or "
        "the content of the material is not kept.",
        "Correct the policy; `avouch policy eval` shows what it does with a material.",
        contract=True,
    ),
    "PoliciesNotEvaluated": Code(
        Effect.ERROR,
        "The policies of the contract were not evaluated.",
        "Read the worker's log; the run can be judged again.",
        contract=True,
    ),
    "RecordNotStored": Code(
        Effect.ERROR,
        "The database refused the cluster's record of the run, so nothing could be checked.",
        "Run the pipeline again without what the finding names.",
    ),
    "JudgingFailed": Code(
        Effect.ERROR,
        "The worker failed while it judged the run.",
        "Read the worker's log; the run can be judged again.",
    ),
    # The run's own end
    "RunCanceled": Code(
        Effect.CANCELED,
        "The PipelineRun, TaskRun or CI job was cancelled. What it lacks because of that is not told.",
        "Run the pipeline again.",
        alone=True,
    ),
    "RunExpired": Code(
        Effect.EXPIRED,
        "No attestation arrived while the run was open.",
        "Push earlier, or set a longer `spec.runExpiry` in the Workflow.",
    ),
    # Notes
    "VerdictSuperseded": Code(
        Effect.NOTHING,
        "A claim that arrived after the verdict contradicts it. The earlier verdict is kept in `status.superseded`.",
        "Do not rely on the earlier verdict; read the findings before this one.",
    ),
    "VerdictReevaluated": Code(
        Effect.NOTHING,
        "Somebody had the run judged again by what its Contract, its policies and exceptions say now. The finding says "
        "who, why, and by which revision; the earlier verdict is kept in `status.superseded`.",
        "Do not rely on the earlier verdict for what the Contract says now.",
    ),
    "MaterialNotUsed": Code(
        Effect.NOTHING,
        "What there is of an optional material, or of one of a group, cannot be used: it counts as not delivered.",
        "Nothing has to be done; whoever wants the material recorded follows the fix of the finding.",
    ),
    "PolicyViolatedUngated": Code(
        Effect.NOTHING,
        "A policy without a gate found a violation: neither its attachment, nor that of its group, nor the "
        "organization says that violations fail a run.",
        "Correct what the policy tells of, or set `gate: true` where it is attached.",
    ),
    "PolicyExcepted": Code(
        Effect.NOTHING,
        "A policy with a gate found a violation, or could not be evaluated, and a PolicyException that was in force "
        "when the run was judged excepts it. The finding says who granted it, why, and until when.",
        "Correct what the policy tells of before the exception ends.",
    ),
    "PolicyEvaluationDiffers": Code(
        Effect.NOTHING,
        "A client evaluated a policy itself, and says the opposite of what the server found, which counts.",
        "Compare the policy and the file that the client had with those of the run.",
    ),
    "PolicyBypassNotDeclared": Code(
        Effect.NOTHING,
        "A client asks to bypass policies that block (`--exception-bypass-policy-check`), without an exception.",
        "Have one declared by who may, and run the pipeline again.",
    ),
    "PolicyNotEvaluatedUngated": Code(
        Effect.NOTHING,
        "A policy without a gate could not be evaluated. It has not passed.",
        "Correct the policy; `avouch policy eval` shows what it does with a material.",
    ),
    "TaskRunNotListed": Code(
        Effect.NOTHING,
        "A TaskRun names the PipelineRun as its owner, but the PipelineRun does not list it. Nothing of it counts.",
        "Find who created the TaskRun.",
    ),
    "PodNotSeen": Code(
        Effect.NOTHING,
        "A pod of the run, in which a sidecar may have stood, was gone before avouch saw it: no controller ran "
        "meanwhile. No claim came from it.",
        "Run the pipeline again if it matters; keep two replicas of the controller.",
    ),
    "RecordCleaned": Code(
        Effect.NOTHING,
        "A param, result or annotation of the run has characters that cannot be recorded; U+FFFD is recorded instead.",
        "Leave out the character U+0000.",
    ),
    "ResultsCut": Code(
        Effect.NOTHING,
        "The results of a task did not fit into what the sidecar's container left of the pod's 12 KiB for them, so "
        "Tekton recorded none. Until the Workflow is changed, its pods that have results get no sidecar.",
        "Write large results to a workspace, or let Tekton read them from logs: `results-from: sidecar-logs`.",
    ),
    "RunnerNotProven": Code(
        Effect.NOTHING,
        "The runner's own token could not be verified, so the runner is recorded as not authenticated.",
        "Add the token's issuer to `oidc.issuers` in the chart's values.",
    ),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong with a run. `line` is the contract line, `fix` the smallest change that helps."""

    code: str  # a key of `CODES`
    message: str
    line: str = ""
    fix: str = ""
    material: str = ""

    def __post_init__(self) -> None:
        if self.code not in CODES:
            raise ValueError(f"finding code {self.code!r} is not in the table of avouch.findings")

    @classmethod
    def recorded(cls, *, code: str = "", message: str = "", line: str = "", fix: str = "", material: str = "") -> Self:
        """A finding that another version of avouch wrote: its code may be unknown to this version."""
        made = object.__new__(cls)
        for name, value in zip(cls.__slots__, (code, message, line, fix, material), strict=True):
            object.__setattr__(made, name, value)
        return made


def of_policy(policy: str, material: str) -> str:
    """How a message begins that tells what a policy said.

    >>> of_policy("fresh", "sbom"), of_policy("fresh", "")
    ('policy fresh on material sbom', 'policy fresh')
    """
    return f"policy {policy} on material {material}" if material else f"policy {policy}"


def sentence(code: str, message: str, fix: str) -> str:
    """A finding in one line, the same wherever it is told: in Events, in what kubectl describes, by `avouch why`.

    >>> sentence("MaterialMissing", "material sbom was not delivered", "let task build write it")
    'MaterialMissing: material sbom was not delivered (fix: let task build write it)'
    """
    return f"{code}: {errors.with_fix(message, fix)}"


def several(items: Sequence[str]) -> str:
    """The first ten for a message, and how many more there are.

    >>> several(["a", "b"]), several("abcdefghijkl")
    ('a, b', 'a, b, c, d, e, f, g, h, i, j and 2 more')
    """
    more = f" and {len(items) - _TOLD} more" if len(items) > _TOLD else ""
    return f"{', '.join(items[:_TOLD])}{more}"


def verdict(found: Iterable[Finding]) -> Effect:
    """The verdict of all these findings: the strongest one. `NOTHING` if they are only notes."""
    made = {CODES[each.code].effect for each in found}
    return next(each for each in Effect if each in made or each is Effect.NOTHING)


def ordered(found: Iterable[Finding]) -> tuple[Finding, ...]:
    """The strongest first, equal ones as they came. Beside one that is `alone` nothing else tells of a failure.

    >>> [each.code for each in ordered([Finding("MaterialMissing", "m"), Finding("RunCanceled", "c")])]
    ['RunCanceled']
    """
    strength = {effect: at for at, effect in enumerate(Effect)}
    every = sorted(found, key=lambda each: strength[CODES[each.code].effect])
    codes = [CODES[each.code] for each in every]
    alone = any(code.alone for code in codes)
    kept = (code.alone or not alone or code.effect is not Effect.FAILED for code in codes)
    return tuple(each for each, keep in zip(every, kept, strict=True) if keep)


def told(found: Iterable[Finding]) -> tuple[Finding, ...]:
    """The same for people to read: of one code the first 200, and how many more there are.

    A pipeline of thousands of tasks, each of which is wrong in the same way, is judged in full and told in short.

    >>> [each.message for each in told([Finding("MaterialMissing", "m")] * 202)][-2:]
    ['m', '2 more are like the ones before']
    """
    kept: dict[str, list[Finding]] = {}
    left: Counter[str] = Counter()
    for each in found:
        like = kept.setdefault(each.code, [])
        if len(like) < _OF_A_CODE:
            like.append(each)
        else:
            left[each.code] += 1
    for code, number in left.items():
        kept[code].append(Finding(code, f"{number} more are like the ones before"))
    return tuple(each for like in kept.values() for each in like)


def markdown() -> list[str]:
    """The table of codes, the strongest verdict first."""
    lines: list[str] = []
    for effect in Effect:
        lines += [f"## {effect.value or 'Notes'}", "", "| code | meaning | fix |", "|---|---|---|"]
        lines += [
            f"| `{name}` | {code.meaning} | {code.remedy} |" for name, code in CODES.items() if code.effect is effect
        ]
        lines.append("")
    return lines
