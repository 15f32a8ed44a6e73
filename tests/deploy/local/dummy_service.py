"""Stands in for a service in tests of the house: answers /health/ready and tells its environment."""

import http.server
import json
import os
import sys


class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        told = {"service": sys.argv[1], "role": sys.argv[2], "env": dict(os.environ), "path": self.path}
        body = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words):
        return


if os.environ.get("DUMMY_FAILS"):
    sys.exit("the dummy was told to fail")
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PLACET_PORT"])), Answer).serve_forever()
