"""Open Policy Agent, as a program: the only room that runs it.

Belongs here: finding it (`program`), what it may do (`child`), its limits, its processes by tenant (`engine`), what
they said before (`memo`), its messages in our error tree, and `http.send`: scripts ask through a socket (`gateway`),
and we make the request (`sending`).
Never here: what a policy's answer means (`policy`).
Who imports it: processes. What it imports: policy, destinations, digests, kept, pem, pinned, seccomp,
values, errors; httpx and aiohttp.
"""
