"""`python -m admin_api.asyncapi`: prints the document."""

import sys

from admin_api.asyncapi.document import written

if __name__ == "__main__":
    sys.stdout.write(written())
