"""What a URI of a spec leads to, as far as that can be told without an engine: files of this machine, web servers."""
