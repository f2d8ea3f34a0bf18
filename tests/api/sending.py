"""Sends the webhooks of a database until it is killed: `python sending.py <database URL> <seconds>`.

The secrets are sealed with KEY.
"""

import sys
import time
from functools import partial
from pathlib import Path

from api.webhook_sender import WebhookSender
from api.webhook_url import limits_of
from store.database import open_database
from store.sealing import Sealer

KEY = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc="  # 32 bytes of 7

if __name__ == "__main__":
    database = open_database(sys.argv[1])
    sealer = partial(Sealer.of, KEY, Path("unused"))
    sending_seconds = float(sys.argv[2])
    WebhookSender(database, sealer, limits_of(True, ()), look_seconds=0.02, sending_seconds=sending_seconds).start()
    print("sending", flush=True)
    time.sleep(600)
