"""Renders and tries the manifests of deploy/kubernetes."""
