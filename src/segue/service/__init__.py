"""The service: live answers over HTTP, and a page to play with them."""
