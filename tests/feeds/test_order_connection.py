"""Connection to a venue that sends a logout and closes at once."""

import zmq

from feeds.client.order_connection import OrderConnection
from feeds.client.order_session import OrderSession
from feeds.protocol.keys import Secret
from feeds.protocol.messages import Logout, RefusalReason, pack
from feeds.transport.sockets import Security

ROUNDS = 150


def test_frames_before_the_end_of_a_connection_are_received() -> None:
    missed = 0
    public, private = zmq.curve_keypair()
    own, hidden = (key.decode() for key in zmq.curve_keypair())
    secret = Secret(name="east-1", public_key=own, secret_key=hidden, password="-")
    security = Security(secret, venue_key=public.decode())
    with zmq.Context() as context, zmq.Context() as venue:
        for _ in range(ROUNDS):
            router = venue.socket(zmq.ROUTER)
            router.curve_server = True
            router.curve_secretkey = private
            port = router.bind_to_random_port("tcp://127.0.0.1")
            session = OrderSession()
            connection = OrderConnection(context, security, f"tcp://127.0.0.1:{port}", session)
            while not router.poll(1):
                connection.pump()
            route, _ = router.recv_multipart()
            router.send_multipart([route, pack(Logout(reason=RefusalReason.DAY_OVER, text="over"))])
            router.close(1_000)
            while connection.generation == 1:
                connection.pump()
            missed += session.ended is None
            connection.close()
    assert missed == 0
