"""LocalAllowlistTokenValidator: accepts the tokens that are listed in a file."""
