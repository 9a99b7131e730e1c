#!/bin/sh
# Prints what a gateway answers to GET /cells, with the token of its own pod. The argument is its address in
# the map: http://POD.SERVICE.NAMESPACE.svc…
set -eu
name=${1#http://}
pod=${name%%.*}
rest=${name#*.*.}
exec kubectl --namespace "${rest%%.*}" exec "$pod" --container gateway -- python -c '
import os
from urllib.request import Request, urlopen
token = os.environ["GATEWAY_TOKENS"].split(",")[0].strip()
asked = Request("http://127.0.0.1:5001/cells", headers={"Authorization": f"Bearer {token}"})
print(urlopen(asked, timeout=10).read().decode())
'
