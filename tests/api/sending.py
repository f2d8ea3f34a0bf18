"""Sends the webhooks of a database until it is killed: `python sending.py <database URL> <seconds>`."""

import sys
import time

from api.webhook_sender import WebhookSender
from api.webhook_url import limits_of
from store.database import open_database

if __name__ == "__main__":
    database = open_database(sys.argv[1])
    WebhookSender(database, limits_of(True, ()), look_seconds=0.02, sending_seconds=float(sys.argv[2])).start()
    print("sending", flush=True)
    time.sleep(600)
