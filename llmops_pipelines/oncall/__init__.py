"""The commands of on-call people, one file each. Thin: what they find is `lifecycle/lineage`."""
