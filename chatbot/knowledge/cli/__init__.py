"""The commands `flask knowledge`, `flask index` and `flask eval`."""
