"""A receiver of verdicts: checks the HMAC signature of each delivery and prints one line for it."""

import hashlib
import hmac
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

KEY = Path("/hmac/key").read_bytes()
LIMIT = 8 * 1024 * 1024  # bytes of one delivery


class Receiver(BaseHTTPRequestHandler):
    """Takes POSTs; answers 204 when the signature is right, 401 when it is not."""

    def do_POST(self) -> None:
        """Check `Avouch-Signature: t=<unix seconds>,v1=<hex>` over `<t>.<body>`."""
        body = self.rfile.read(min(int(self.headers.get("Content-Length", "0")), LIMIT))
        parts = dict(part.split("=", 1) for part in self.headers.get("Avouch-Signature", "").split(",") if "=" in part)
        wanted = hmac.new(KEY, parts.get("t", "").encode() + b"." + body, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(wanted, parts.get("v1", "")):
            print("REFUSED: the signature is wrong")
            self.send_response(401)
        else:
            run = json.loads(body)
            print(f"delivery {self.headers.get('Avouch-Delivery')}: {run['run']['name']} {run['verdict']}")
            self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Silence: the one line above says it all."""


ThreadingHTTPServer(("", 8080), Receiver).serve_forever()
