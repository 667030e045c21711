"""The nouns: frozen structs that know nothing of stores, sockets or clocks."""
