"""What Schemathesis has to know to send the bodies of this service: loaded by its program, in SCHEMATHESIS_HOOKS."""

import schemathesis

from api.upload import MEDIA_TYPE

schemathesis.serializer.alias(MEDIA_TYPE, "application/octet-stream")
