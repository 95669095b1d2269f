"""Wire shapes of people and rights: what is asked (`requests.py`), and the documents that answer."""
