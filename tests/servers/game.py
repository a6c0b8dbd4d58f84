"""A game-style server: one thread for each player, who gets the state of the world at every tick.

SIGPIPE is put back to its default, the idiom that many scripts copied from command line tools.
Usage: game.py PORT
"""
import signal
import socketserver
import sys
import time

signal.signal(signal.SIGPIPE, signal.SIG_DFL)

TICKS = 25


class Player(socketserver.StreamRequestHandler):
    def handle(self):
        name = self.rfile.readline().strip()
        for tick in range(TICKS):
            self.wfile.write(b"tick %d %s %s\n" % (tick, name, b"." * 200))
            time.sleep(0.01)


class World(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128


with World(("127.0.0.1", int(sys.argv[1])), Player) as world:
    world.serve_forever()
