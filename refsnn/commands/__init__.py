"""The commands, by what they are about. `refsnn --help` imports all: what is heavy is imported inside them."""
