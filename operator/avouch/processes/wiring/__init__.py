"""Parts of the command line's adapters that are built once a command needs the network."""
