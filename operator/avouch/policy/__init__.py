"""What policies say of a material: which scripts apply, what they are given, and what their answer means. Pure.

Belongs here: what a contract's references come to (`resolution`), where scripts stand (`places`), which policy it is
(`identity`), Chainloop's rules of evaluation (arguments, the rules that are added to a script, its result), tests of
policies (`tables`, `expectations`).
Never here: running a script (`opa`), kinds and their schemas (`api.policy`), what a verdict makes of it
(`controlplane.judging.verdict`).
"""
