"""The one table of all commands, in the order of the help. What a command does is said here once, in one line."""

from collections.abc import Mapping

from avouch.cli import tree

_DECLARE = "Declare"
_COLLECT = "Evidence"
_RUNS = "Runs"
_OTHER = "Other"
_ATT = "avouch.cli.attestation"

TABLE: Mapping[str, tree.Entry] = {
    "apply": tree.Entry(
        "Apply Contracts, Policies and avouch's other kinds from files.", "avouch.cli.apply:apply", _DECLARE
    ),
    "contract": tree.Entry("Contracts: the evidence that runs must deliver.", section=_DECLARE),
    "contract lint": tree.Entry("Check contract and policy files, without a cluster.", "avouch.cli.contractfiles:lint"),
    "contract convert": tree.Entry(
        "Convert contract files for avouch or for Chainloop.", "avouch.cli.contractfiles:convert"
    ),
    "contract create": tree.Entry("Create a Contract.", "avouch.cli.contracts:create"),
    "contract update": tree.Entry("Change a Contract.", "avouch.cli.contracts:update"),
    "contract list": tree.Entry("List Contracts.", "avouch.cli.listing:contracts"),
    "contract describe": tree.Entry("Show a Contract, or one of its revisions.", "avouch.cli.contracts:describe"),
    "contract resolve": tree.Entry(
        "Show what a contract owes, with its policies and groups looked up.", "avouch.cli.resolved:resolve"
    ),
    "contract diff": tree.Entry("Show what changes from one contract to another.", "avouch.cli.contracts:difference"),
    "contract replay": tree.Entry("Show what a change would have done to past runs.", "avouch.cli.replays:replay"),
    "contract ls": tree.Entry(alias="contract list"),
    "policy": tree.Entry("Policies: what evidence must say.", section=_DECLARE),
    "policy init": tree.Entry("Print a policy to begin with.", "avouch.cli.policies:init"),
    "policy lint": tree.Entry("Check policies and their scripts.", "avouch.cli.policies:lint"),
    "policy eval": tree.Entry("Evaluate a policy on a material.", "avouch.cli.policies:evaluate"),
    "policy test": tree.Entry("Test policies against tables of materials.", "avouch.cli.policytests:test"),
    "policy develop": tree.Entry(alias="policy"),
    "policy devel": tree.Entry(alias="policy"),
    "exception": tree.Entry("Exceptions: violations of policies that fail no run for a while.", section=_DECLARE),
    "exception create": tree.Entry("Create a PolicyException.", "avouch.cli.exceptions:create"),
    "exception list": tree.Entry("List PolicyExceptions.", "avouch.cli.exceptions:exceptions"),
    "exception ls": tree.Entry(alias="exception list"),
    "workflow": tree.Entry("Workflows: pipelines and the contracts they are judged by.", section=_DECLARE),
    "workflow create": tree.Entry("Create a Workflow.", "avouch.cli.workflows:create"),
    "workflow update": tree.Entry("Change a Workflow.", "avouch.cli.workflows:update"),
    "workflow list": tree.Entry("List Workflows.", "avouch.cli.listing:workflows"),
    "workflow describe": tree.Entry("Show a Workflow.", "avouch.cli.listing:workflow"),
    "workflow check": tree.Entry("Check what a Workflow names.", "avouch.cli.workflowchecks:check"),
    "workflow contract": tree.Entry(alias="contract"),
    "workflow ls": tree.Entry(alias="workflow list"),
    "wf": tree.Entry(alias="workflow"),
    "why": tree.Entry("Show why the verdict of a run is what it is.", "avouch.cli.runs.reasons:why", _RUNS),
    "run": tree.Entry("Runs: what became of builds, and their signed evidence.", section=_RUNS),
    "run list": tree.Entry("List runs, newest first.", "avouch.cli.runs.looking:runs"),
    "run show": tree.Entry("Show what became of a build.", "avouch.cli.runs.looking:show"),
    "run watch": tree.Entry("Follow a build until it has its verdict.", "avouch.cli.runs.looking:watch"),
    "run gate": tree.Entry("Wait for a verdict, and fail unless it Passed.", "avouch.cli.runs.looking:gate"),
    "run bundle": tree.Entry("Save the signed evidence of a run.", "avouch.cli.runs.bundles:bundle"),
    "run verify": tree.Entry("Verify saved evidence, offline.", "avouch.cli.runs.verifying:verify"),
    "run reevaluate": tree.Entry(
        "Judge runs again by what their Contract says now.", "avouch.cli.runs.reevaluating:reevaluate"
    ),
    "run delete": tree.Entry("Delete a run; the record of it stays.", "avouch.cli.runs.deleting:delete"),
    "run ls": tree.Entry(alias="run list"),
    "run describe": tree.Entry(alias="run show"),
    "workflow run": tree.Entry(alias="run"),
    "trust": tree.Entry("What verifies signed evidence.", section=_RUNS),
    "trust export": tree.Entry("Print the trust root of an installation.", "avouch.cli.trusts:export"),
    "api-token": tree.Entry("Tokens for builds outside the cluster.", section=_DECLARE),
    "api-token create": tree.Entry("Create a token and print it once.", "avouch.cli.apitokens:create"),
    "api-token list": tree.Entry("List tokens.", "avouch.cli.listing:tokens"),
    "api-token revoke": tree.Entry("Revoke a token.", "avouch.cli.apitokens:revoke"),
    "api-token ls": tree.Entry(alias="api-token list"),
    "organization api-token": tree.Entry(alias="api-token"),
    "organization": tree.Entry("Chainloop's place for api-token.", hidden=True),
    "org": tree.Entry(alias="organization"),
    "material": tree.Entry("Material types, and the types of files.", section=_COLLECT),
    "material types": tree.Entry("List all material types.", "avouch.cli.materials:types"),
    "material inspect": tree.Entry(
        "Detect the type of files and show what is extracted.", "avouch.cli.materials:inspect"
    ),
    "runner": tree.Entry("The CI system around this command.", section=_COLLECT),
    "runner show": tree.Entry("Show the detected CI system and what is recorded of it.", "avouch.cli.runners:show"),
    "attest": tree.Entry("Attest a run in one command.", f"{_ATT}.attest:attest", _COLLECT),
    "attestation": tree.Entry("Attest a run in steps.", section=_COLLECT),
    "attestation init": tree.Entry("Open a run and begin its attestation.", f"{_ATT}.init:init"),
    "attestation add": tree.Entry("Add a material.", f"{_ATT}.add:add"),
    "attestation status": tree.Entry("Show what was added and what is still missing.", f"{_ATT}.status:status"),
    "attestation push": tree.Entry("Sign the attestation and push it.", f"{_ATT}.push:push"),
    "attestation reset": tree.Entry("End the run without an attestation.", f"{_ATT}.reset:reset"),
    "attestation verify": tree.Entry("Verify a bundle, step by step.", f"{_ATT}.verify:verify"),
    "att": tree.Entry(alias="attestation"),
    "verify": tree.Entry("Verify an attestation or a verdict.", f"{_ATT}.verify:verify_any", _COLLECT),
    "artifact": tree.Entry("Artifacts, stored by their digest.", section=_COLLECT),
    "artifact upload": tree.Entry("Upload a file and print its digest.", "avouch.cli.artifacts:upload"),
    "artifact download": tree.Entry("Download bytes and verify them.", "avouch.cli.artifacts:download"),
    "login": tree.Entry("Save a server's address and token.", "avouch.cli.logins:login", _OTHER),
    "completion": tree.Entry("Print a shell's completion script.", "avouch.cli.completion:completion", _OTHER),
    "version": tree.Entry("Print the version.", "avouch.cli.version:version", _OTHER),
}
