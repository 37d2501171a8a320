"""Models behind ports: embedders, rerankers and chat models. Knows no Django (except ``conf``)."""
