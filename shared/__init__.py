"""Code that gateway and worker share: settings, logging, the server's client, ids, the catalog."""
