"""A model of many nodes: what they would do under a load that no machine here can make."""
