#!/bin/sh
# Applies the ConfigMap with the map in each cell's namespace. The argument is the folder of all cells.
set -eu
namespaces=$(kubectl apply --kustomize "$1" --selector app.kubernetes.io/name=cells \
    --output 'jsonpath={..metadata.namespace}')
# A node looks for a new map about once a minute, and at once for a pod whose annotations have changed.
for namespace in $namespaces; do
    kubectl --namespace "$namespace" annotate pods --selector app.kubernetes.io/name=gateway --overwrite \
        "durable-http/map=$(date +%s)"
done
