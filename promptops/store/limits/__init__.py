"""The parts of `promptops.store.shared_limits`: its folder, its file, who lives, how places and minutes are shared."""
