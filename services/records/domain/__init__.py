"""What records decides, as pure functions over values: content, drafts, versions, packages."""
