"""The Responses API on the wire: requests, and their way into the service's items and turns."""
