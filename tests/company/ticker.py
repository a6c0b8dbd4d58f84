"""Forty ticks for each client, a thread each: the idiom of the socketserver module's documentation."""
import socketserver
import time


class Player(socketserver.StreamRequestHandler):
    def handle(self):
        self.rfile.readline()
        try:
            for tick in range(40):
                self.wfile.write(b"tick %d %s\n" % (tick, b"." * 200))
                time.sleep(0.01)
        except OSError:
            pass  # the player has left


with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Player) as world:
    print("listening on 127.0.0.1:%d" % world.server_address[1], flush=True)
    world.serve_forever()
